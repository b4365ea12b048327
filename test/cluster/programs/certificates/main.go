// Command certificates makes a cluster's certificate authority and what it signs. It reads an order as JSON from standard
// input and writes `NAME.crt` and `NAME.key` for each certificate, `ca.crt`, `ca.key`, and the key pair that signs the
// tokens of service accounts, `tokens.key` and `tokens.pub`, into a folder.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// order is what is asked for.
type order struct {
	Folder       string        `json:"folder"`
	Certificates []certificate `json:"certificates"`
}

// certificate is for a server when it has hosts, else for a client.
type certificate struct {
	Name   string   `json:"name"`
	User   string   `json:"user"`
	Groups []string `json:"groups"`
	Hosts  []string `json:"hosts"`
}

// validity is more than any cluster of tests lives; clocks may differ by the grace.
const (
	validity = 30 * 24 * time.Hour
	grace    = time.Hour
)

func main() {
	if err := fulfil(); err != nil {
		fmt.Fprintln(os.Stderr, "certificates:", err)
		os.Exit(1)
	}
}

func fulfil() error {
	var asked order
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return fmt.Errorf("the order on standard input: %w", err)
	}
	if err := os.MkdirAll(asked.Folder, 0o700); err != nil {
		return err
	}
	authority := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "cluster of the tests"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	authorityKey, err := sign(asked.Folder, "ca", authority, authority, nil)
	if err != nil {
		return err
	}
	for _, each := range asked.Certificates {
		if _, err := sign(asked.Folder, each.Name, each.template(), authority, authorityKey); err != nil {
			return fmt.Errorf("%s: %w", each.Name, err)
		}
	}
	return writeTokenKeys(asked.Folder)
}

func (c certificate) template() *x509.Certificate {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: c.User, Organization: c.Groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if len(c.Hosts) > 0 {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	for _, host := range c.Hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return template
}

// sign makes a key, has the parent sign its certificate and writes both. Without a signer it signs itself.
func sign(folder, name string, template, parent *x509.Certificate, signer crypto.Signer) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if signer == nil {
		signer = key
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, err
	}
	template.NotBefore = time.Now().Add(-grace)
	template.NotAfter = time.Now().Add(validity)
	signed, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	if err := writePEM(filepath.Join(folder, name+".crt"), "CERTIFICATE", signed); err != nil {
		return nil, err
	}
	return key, writeKey(filepath.Join(folder, name+".key"), key)
}

func writeTokenKeys(folder string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(folder, "tokens.pub"), "PUBLIC KEY", public); err != nil {
		return err
	}
	return writeKey(filepath.Join(folder, "tokens.key"), key)
}

func writeKey(file string, key *ecdsa.PrivateKey) error {
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(file, "PRIVATE KEY", text)
}

func writePEM(file, kind string, content []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600)
}
