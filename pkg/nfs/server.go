package nfs

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nfsim/nfsim/pkg/sshnode"
)

// ServerFacts is what a server says about itself.
type ServerFacts struct {
	Lease    time.Duration `json:"lease_ns"` // NFSv4 lease; a client silent for longer may lose its locks
	Grace    time.Duration `json:"grace_ns"` // after a restart, only reclaims are served
	Threads  int           `json:"threads"`  // 0: the service does not run
	Versions string        `json:"versions"` // as in "+3 +4 +4.1 +4.2"
}

// ReadServer reads the facts from /proc/fs/nfsd. Without the service, they are
// zero.
func ReadServer(ctx context.Context, server *sshnode.Node) (ServerFacts, error) {
	res, err := runWithin(ctx, server, shortDeadline,
		"for f in nfsv4leasetime nfsv4gracetime threads versions; do echo \"$f $(cat /proc/fs/nfsd/$f 2>/dev/null)\"; done")
	if err != nil {
		return ServerFacts{}, fmt.Errorf("read nfsd settings: %w", err)
	}
	facts, err := parseServer(string(res.Stdout))
	if err != nil {
		return ServerFacts{}, fmt.Errorf("read nfsd settings of %s: %w", server.Name(), err)
	}
	return facts, nil
}

func parseServer(out string) (ServerFacts, error) {
	var f ServerFacts
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if key == "versions" {
			f.Versions = value
			continue
		}
		if value == "" {
			continue
		}
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return f, fmt.Errorf("parse %s: %w", key, err)
		}
		switch key {
		case "nfsv4leasetime":
			f.Lease = seconds(n)
		case "nfsv4gracetime":
			f.Grace = seconds(n)
		case "threads":
			f.Threads = int(n)
		}
	}
	return f, nil
}

// ReadNFSD reads the server's counters.
func ReadNFSD(ctx context.Context, server *sshnode.Node) (NFSD, error) {
	res, err := runWithin(ctx, server, shortDeadline, "cat /proc/net/rpc/nfsd")
	if err != nil {
		return NFSD{}, fmt.Errorf("read nfsd statistics: %w", err)
	}
	s, err := ParseNFSD(bytes.NewReader(res.Stdout))
	if err != nil {
		return NFSD{}, fmt.Errorf("read nfsd statistics of %s: %w", server.Name(), err)
	}
	return s, nil
}

// ReadNFSDClients lists the NFSv4 clients that the server knows. A client that
// goes away meanwhile is left out.
func ReadNFSDClients(ctx context.Context, server *sshnode.Node) ([]NFSDClient, error) {
	// A form feed ends each file: the kernel escapes it in clients' names.
	res, err := runWithin(ctx, server, shortDeadline,
		`for f in /proc/fs/nfsd/clients/*/info; do [ -e "$f" ] && cat "$f" 2>/dev/null && printf '\f'; done; :`)
	if err != nil {
		return nil, fmt.Errorf("list nfsd clients: %w", err)
	}
	var list []NFSDClient
	for text := range strings.SplitSeq(string(res.Stdout), "\f") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		c, err := ParseNFSDClient(text)
		if err != nil {
			return nil, fmt.Errorf("list nfsd clients of %s: %w", server.Name(), err)
		}
		list = append(list, c)
	}
	return list, nil
}
