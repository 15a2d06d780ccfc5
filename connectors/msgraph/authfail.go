package msgraph

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// tokenFailure classes a failed request for a token by the error member and the numeric codes of
// the answer, never by its text (GS-AU-6).
func tokenFailure(seen tokenAnswer) error {
	var body struct {
		Error string `json:"error"`
		Codes []int  `json:"error_codes"`
	}
	// A body that is no JSON leaves both empty, and the status decides.
	_ = json.Unmarshal(seen.body, &body)
	fail := func(what string) *engine.SourceError {
		return &engine.SourceError{Code: engine.CodeSourceUnauthorized, Status: seen.status, Message: what + numbers(body.Codes)}
	}
	is := func(codes ...int) bool {
		return slices.ContainsFunc(codes, func(c int) bool { return slices.Contains(body.Codes, c) })
	}
	switch {
	case seen.status == 0 && certificateProblem(seen.err):
		return fail("the token service shows a certificate that this machine does not trust; check the proxy and the trusted roots")
	case seen.status == 0 && seen.err != nil:
		return &engine.SourceError{Code: engine.CodeSourceUnavailable, Transient: true, Message: "the token service cannot be reached; check network, proxy and name resolution"}
	case seen.status == 0:
		return fail("no token can be requested: this host offers no such identity, or the token file or certificate cannot be used; check the source's way to sign in")
	case seen.status == http.StatusTooManyRequests || seen.status >= 500 || body.Error == "temporarily_unavailable":
		return &engine.SourceError{Code: engine.CodeSourceUnavailable, Status: seen.status, Transient: true,
			Message: fmt.Sprintf("the token service is busy (HTTP %d); it is asked again", seen.status)}
	case is(7000222):
		return fail("the client secret has expired; create a new one for the application and put it into the configuration")
	case is(7000215):
		return fail("the client secret is wrong; copy the secret's value (not its ID) into the configuration")
	case is(700027, 700024):
		return fail("the certificate or federated token was refused; upload the certificate to the application, or check issuer, subject and clock")
	case is(700016) || body.Error == "unauthorized_client":
		return fail("the application was not found in the tenant; check clientId and tenantId, and that an administrator consented")
	case is(90002, 900023, 900021) || body.Error == "invalid_tenant":
		return fail("the tenant was not found; check tenantId and cloud")
	case body.Error == "invalid_scope" || body.Error == "invalid_resource" || is(500011):
		return fail("the tenant does not know this Graph endpoint; check that cloud (and endpoint, if set) belong to the tenant")
	case body.Error == "invalid_client":
		return fail("the credential was refused; check clientId and the secret, certificate or federated token")
	default:
		return fail(fmt.Sprintf("no token was given (HTTP %d); check the source's way to sign in", seen.status))
	}
}

// numbers are the codes as the vendor's documentation lists them.
func numbers(codes []int) string {
	if len(codes) == 0 {
		return ""
	}
	var b strings.Builder
	for _, c := range codes {
		fmt.Fprintf(&b, " AADSTS%d", c)
	}
	return " (" + b.String()[1:] + ")"
}

func certificateProblem(err error) bool {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	return errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid) || errors.As(err, &verification)
}

func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, errors.New("the answer is larger than allowed")
	}
	return b, err
}
