package app

import (
	"strings"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/cloudassistant"
	"github.com/cloud-assistant-operator/cloud-assistant-operator/internal/credentials"
)

// newSessions connects to the cloud with the operator's own credentials or those of Secrets.
func newSessions(secrets client.Reader, options Options) (*credentials.Sessions, error) {
	sts := options.STSEndpoint
	if sts == "" && strings.HasPrefix(options.ECSEndpoint, "http://") {
		// Not the cloud itself, which is asked by HTTPS, but an emulator of it, of STS as well.
		sts = options.ECSEndpoint
	}
	cloud, err := cloudassistant.New(cloudassistant.Options{Endpoint: options.ECSEndpoint, STSEndpoint: sts, Version: Version})
	if err != nil {
		return nil, err
	}
	return credentials.New(cloud, cloud.DefaultCredentials(), secrets, clock.RealClock{}), nil
}
