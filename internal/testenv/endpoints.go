package testenv

// EtcdURL is where the etcd of the control plane serves, to those that measure it.
func (c *ControlPlane) EtcdURL() string { return c.environment.ControlPlane.Etcd.URL.String() }
