package agent

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
)

//go:embed all:bin
var binaries embed.FS

// ErrNoBinary is an agent that was not built into this nfsim.
var ErrNoBinary = errors.New("nfsim was built without its agent: run `make agents`, then build nfsim again")

// Binary returns the static agent for Linux on arch, a GOARCH: "amd64" or
// "arm64". The error is ErrNoBinary when this nfsim has none.
func Binary(arch string) ([]byte, error) {
	if !regexp.MustCompile(`^[a-z0-9]+$`).MatchString(arch) {
		return nil, fmt.Errorf("find agent for %q: that is no GOARCH", arch)
	}
	b, err := fs.ReadFile(binaries, "bin/nfsim-agent-linux-"+arch)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("find agent for linux/%s: %w", arch, ErrNoBinary)
	}
	if err != nil {
		return nil, fmt.Errorf("read embedded agent for linux/%s: %w", arch, err)
	}
	return b, nil
}
