package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// The stories of tests/src/suites/logins.rs.
var loginStories = map[string]func(){
	"login":       login,
	"crash":       loginOverCrash,
	"certificate": certificate,
	"renewed":     renewedCertificate,
}

func logins(name string) {
	story, known := loginStories[name]
	check(known, "no story %s of logins", name)
	story()
}

func inDir(name string) string {
	return filepath.Join(os.Getenv("WORK_DIR"), name)
}

// encrypted trusts who is signed by an authority of this name.
func encrypted(authority string, certificates ...tls.Certificate) kgo.Opt {
	pem, err := os.ReadFile(inDir(authority + ".pem"))
	must(err, "the authority")
	roots := x509.NewCertPool()
	check(roots.AppendCertsFromPEM(pem), "%s.pem has no certificate", authority)
	return kgo.DialTLSConfig(&tls.Config{RootCAs: roots, Certificates: certificates})
}

func scram256(user, password string) sasl.Mechanism {
	return scram.Auth{User: user, Pass: password}.AsSha256Mechanism()
}

func scram512(user, password string) sasl.Mechanism {
	return scram.Auth{User: user, Pass: password}.AsSha512Mechanism()
}

func asPlain(user, password string) sasl.Mechanism {
	return plain.Auth{User: user, Pass: password}.AsMechanism()
}

// as goes to the listener that is encrypted and asks who comes.
func as(mechanism sasl.Mechanism) []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(os.Getenv("TLS_SASL")), encrypted("authority"), kgo.SASL(mechanism)}
}

func atTLS(authority string, certificates ...tls.Certificate) []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(os.Getenv("TLS")), encrypted(authority, certificates...)}
}

func sendOne(c *kgo.Client, value string) {
	record := &kgo.Record{Topic: topicName("t"), Value: []byte(value)}
	must(c.ProduceSync(ctx, record).FirstErr(), "produce "+value)
}

// works sends a record and reads it.
func works(options []kgo.Opt, value string) {
	to := producer(options...)
	defer to.Close()
	sendOne(to, value)
	from := consumer(topicName("t"), 1, options...)
	defer from.Close()
	waitUntil(value+" is read", func() bool {
		return slices.ContainsFunc(poll(from), func(r *kgo.Record) bool { return string(r.Value) == value })
	})
}

// failure is why a client is not served.
func failure(options []kgo.Opt, what string) error {
	c := client(append(options, kgo.RequestRetries(0))...)
	defer c.Close()
	short, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := c.Ping(short)
	check(err != nil, "%s is served", what)
	return err
}

func isWrong(mechanism sasl.Mechanism, what string) {
	err := failure(as(mechanism), what)
	check(errors.Is(err, kerr.SaslAuthenticationFailed), "%s is refused with %v", what, err)
}

func login() {
	works(as(scram256("alice", "a secret")), "alice")
	works(as(scram512("bob", "b secret")), "bob")
	works(as(asPlain("alice", "a secret")), "plain")
	isWrong(scram256("alice", "another"), "a wrong password")
	isWrong(scram512("bob", "a secret"), "the password of somebody else")
	isWrong(asPlain("alice", "another"), "a wrong password in PLAIN")
	isWrong(scram512("carol", "a secret"), "a user that does not exist")
	isWrong(asPlain("carol", "a secret"), "the same in PLAIN")
}

func loginOverCrash() {
	bob := producer(as(scram512("bob", "b secret"))...)
	defer bob.Close()
	sendOne(bob, "before")
	killBroker()
	sendOne(bob, "behind")
	works(as(scram256("alice", "a secret")), "alice")
	works(as(asPlain("alice", "a secret")), "plain")
	isWrong(scram512("bob", "another"), "a wrong password")
}

func certificate() {
	_ = failure(atTLS("authority"), "a client without a certificate")
	alice, err := tls.LoadX509KeyPair(inDir("alice.pem"), inDir("alice.key"))
	must(err, "alice's certificate")
	works(atTLS("authority", alice), "certified")
}

func renewedCertificate() {
	before := producer(atTLS("authority")...)
	defer before.Close()
	sendOne(before, "before")
	wish("renew")
	sendOne(before, "behind")
	_ = failure(atTLS("authority"), "a certificate that somebody else has signed")
	works(atTLS("other"), "anew")
	sendOne(before, "still there")
}
