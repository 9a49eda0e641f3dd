package kube

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/nfsim/nfsim/pkg/agent/mono"
)

// Change is a request that was to change something in the API, as it was sent,
// and how it was answered.
type Change struct {
	Verb                                             string // create, update, patch or delete
	Group, Version, Resource, Subresource, Namespace string // Group "" is the core; Resource is plural
	Name                                             string // "" for a create
	Type                                             string // media type of Body
	Body                                             []byte // of the request; nil for what may hold a secret
	Status                                           int    // HTTP status; 0: no answer
	Span
}

// Object is the name of the object that was changed, also of one that was made;
// "" for none, or one that its body does not name.
func (c Change) Object() string {
	if c.Name != "" {
		return c.Name
	}
	var object metav1.PartialObjectMetadata
	if json.Unmarshal(c.Body, &object) != nil {
		return ""
	}
	return object.Name
}

type traceKey struct{}

// WithTrace returns a context whose requests that change something are told to
// note, by any client made with New or RESTConfig. What says nothing about an
// experiment (events, leases, reviews, tokens) is left out.
func WithTrace(ctx context.Context, note func(Change)) context.Context {
	return context.WithValue(ctx, traceKey{}, note)
}

// tracer is a transport that looks for the trace in a request's context.
type tracer struct{ next http.RoundTripper }

func trace(next http.RoundTripper) http.RoundTripper { return &tracer{next} }

// RoundTrip sends the request.
func (t *tracer) RoundTrip(req *http.Request) (*http.Response, error) {
	note, ok := req.Context().Value(traceKey{}).(func(Change))
	if !ok {
		return t.next.RoundTrip(req)
	}
	change, ok := changeOf(req)
	if !ok {
		return t.next.RoundTrip(req)
	}
	change.Invoke = mono.Now()
	resp, err := t.next.RoundTrip(req)
	change.Return = mono.Now()
	if resp != nil {
		change.Status = resp.StatusCode
	}
	note(change)
	return resp, err
}

// changeOf reads a request; ok is false for one that changes nothing, or
// nothing that matters.
func changeOf(req *http.Request) (c Change, ok bool) {
	verbs := map[string]string{http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete"}
	c.Verb = verbs[req.Method]
	if c.Verb == "" || !c.locate(req.URL.Path) {
		return c, false
	}
	noise := []string{"events", "leases", "subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectreviews", "tokenreviews"}
	if slices.Contains(noise, c.Resource) || c.Subresource == "token" {
		return c, false
	}
	c.Type = req.Header.Get("Content-Type")
	if req.GetBody == nil || c.Resource == "secrets" {
		return c, true
	}
	body, err := req.GetBody()
	if err != nil {
		return c, true
	}
	defer body.Close()
	if c.Body, err = io.ReadAll(body); err != nil {
		c.Body = nil
	}
	if c.Type == runtime.ContentTypeProtobuf {
		c.Type, c.Body = runtime.ContentTypeJSON, asJSON(c.Body)
	}
	return c, true
}

// asJSON makes JSON of an object in protobuf, which is what clients of the
// built-in groups send; nil when it is of a kind that client-go does not know.
func asJSON(body []byte) []byte {
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		return nil
	}
	text, err := json.Marshal(object)
	if err != nil {
		return nil
	}
	return text
}

// locate reads the path of a resource
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris).
func (c *Change) locate(path string) bool {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		c.Version, parts = parts[1], parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		c.Group, c.Version, parts = parts[1], parts[2], parts[3:]
	default:
		return false
	}
	// /namespaces/NAME is the namespace, /namespaces/NAME/pods is in it; a
	// namespace has the subresources finalize and status.
	if len(parts) > 2 && parts[0] == "namespaces" && parts[2] != "finalize" && parts[2] != "status" {
		c.Namespace, parts = parts[1], parts[2:]
	}
	c.Resource, parts = parts[0], parts[1:]
	if len(parts) > 0 {
		c.Name, parts = parts[0], parts[1:]
	}
	if len(parts) > 0 {
		c.Subresource = strings.Join(parts, "/")
	}
	return true
}
