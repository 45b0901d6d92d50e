package relay

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
)

// serverName is what a replica asks another one for, to be shown the certificate of its identity.
const serverName = "leader.cloud-assistant-operator.invalid"

// inClear stands for the fingerprint where TLS is left to whatever is in front of the replicas.
const inClear = "http"

var fingerprint = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Identity is a replica's in the election of a leader. It is another one whenever the replica starts.
type Identity struct {
	name, address, fingerprint string
	certificate                *tls.Certificate
}

// NewIdentity is that of the pod of a name which receives requests at an address that the others reach; secure says that it
// serves them by TLS.
func NewIdentity(pod, address string, secure bool) (*Identity, error) {
	i := &Identity{name: pod + "_" + string(uuid.NewUUID()), address: address, fingerprint: inClear}
	if !secure {
		return i, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	// Whoever knows the key by its fingerprint asks for nothing else.
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: serverName}, DNSNames: []string{serverName},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	i.certificate = &tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: key}
	i.fingerprint = fingerprintOf(certificate)
	return i, nil
}

func fingerprintOf(certificate []byte) string {
	sum := sha256.Sum256(certificate)
	return hex.EncodeToString(sum[:])
}

// String is what stands in the Lease: the name, which is the pod's and a UUID, the address, and the fingerprint.
func (i *Identity) String() string { return i.name + "_" + i.address + "_" + i.fingerprint }

// parse reads the identity of a holder of the Lease. It fails for one who does not say where it receives, as a replica of
// another version or with other flags may.
func parse(holder string) (*Identity, error) {
	parts := strings.Split(holder, "_")
	if len(parts) != 4 {
		return nil, fmt.Errorf("the leader %q does not say where it receives events: it is of another version, or does not receive any", holder)
	}
	i := &Identity{name: parts[0] + "_" + parts[1], address: parts[2], fingerprint: parts[3]}
	if _, _, err := net.SplitHostPort(i.address); err != nil {
		return nil, fmt.Errorf("the leader %q has an address that is none", holder)
	}
	if i.fingerprint != inClear && !fingerprint.MatchString(i.fingerprint) {
		return nil, fmt.Errorf("the leader %q has a fingerprint that is none", holder)
	}
	return i, nil
}

// Certificates has those who ask for the certificate of this identity get it, and the others what they got without.
func (i *Identity) Certificates(config *tls.Config) *tls.Config {
	config = config.Clone()
	others := config.GetCertificate
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == serverName {
			return i.certificate, nil
		}
		return others(hello)
	}
	return config
}

// clientConfig trusts this identity and nobody else.
func (i *Identity) clientConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: serverName,
		// Not by who has signed it, but by VerifyConnection: it must be the very certificate of the Lease.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if fingerprintOf(state.PeerCertificates[0].Raw) != i.fingerprint {
				return fmt.Errorf("whoever answers at %s is not the leader that the Lease names", i.address)
			}
			return nil
		},
	}
}

// url is where a request with this URI goes.
func (i *Identity) url(uri string) string {
	if i.fingerprint == inClear {
		return "http://" + i.address + uri
	}
	return "https://" + i.address + uri
}
