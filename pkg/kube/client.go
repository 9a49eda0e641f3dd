package kube

import (
	"fmt"
	"net/http"
	"net/url"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// RunLabel marks every object that a run made; its value is the run's ID.
const RunLabel = "nfsim.io/run"

// Request limits of one client, per second and at once: enough that a trial
// never waits for itself, small enough not to drown an emulated server.
const (
	requestsPerSecond = 50
	requestBurst      = 100
)

// Client talks to one API server. It is safe for concurrent use.
type Client struct {
	api kubernetes.Interface
	run string
}

// New makes a client from a kubeconfig; nothing is sent yet. The proxy
// settings of the environment are ignored: a lab is on loopback.
func New(kubeconfig []byte) (*Client, error) {
	config, err := RESTConfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make Kubernetes client: %w", err)
	}
	return NewFor(api), nil
}

// RESTConfig is the configuration that New uses, for clients of other API
// groups.
func RESTConfig(kubeconfig []byte) (*rest.Config, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = requestsPerSecond
	config.Burst = requestBurst
	config.UserAgent = "nfsim"
	config.Wrap(trace)
	config.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	return config, nil
}

// NewFor makes a client over an existing clientset, such as client-go's fake.
func NewFor(api kubernetes.Interface) *Client { return &Client{api: api} }

// WithRun returns a client that labels all it makes with the run's ID and
// looks only at what is so labelled in Ledger and Cleanup.
func (c *Client) WithRun(id string) *Client {
	return &Client{api: c.api, run: id}
}

// API is the clientset itself, for questions that this package does not ask.
func (c *Client) API() kubernetes.Interface { return c.api }

func (c *Client) labels(extra map[string]string) map[string]string {
	labels := map[string]string{}
	for k, v := range extra {
		labels[k] = v
	}
	if c.run != "" {
		labels[RunLabel] = c.run
	}
	return labels
}

func (c *Client) ours(labels map[string]string) bool {
	return c.run == "" || labels[RunLabel] == c.run
}
