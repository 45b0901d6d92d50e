package testenv

import (
	"context"
	"net"
)

// FreeAddress is one of loopback where nobody listens, for a process that cannot be told to choose one itself.
func FreeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// EtcdURL is where the etcd of the control plane serves, to those that measure it.
func (c *ControlPlane) EtcdURL() string { return c.environment.ControlPlane.Etcd.URL.String() }
