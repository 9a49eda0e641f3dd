package vagrant

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/nfsim/nfsim/pkg/cluster"
	"github.com/nfsim/nfsim/pkg/lab"
)

// StateDirName is the lab's directory beside the Vagrantfile, mode 0700: it
// holds keys.
const StateDirName = ".vagrant/nfsim"

// Files of the lab's directory, beside MACHINE.tar.zst, the seeds.
const (
	labFile    = "lab.json"
	accessFile = "access.json"
)

// Files on the machines. idFile comes with the seed; provisionedFile is its
// copy, written when vagrant/provision.sh has come to its end.
const (
	adminConf       = "/etc/kubernetes/admin.conf"
	idFile          = "/var/lib/nfsim/seed-id"
	provisionedFile = "/var/lib/nfsim/provisioned"
)

// Description is lab.json: what the machines were provisioned to be.
type Description struct {
	ID         string        `json:"id"` // differs between any two seeds
	Machines   []lab.Machine `json:"machines"`
	Kubernetes string        `json:"kubernetes"`
	Kubelet    string        `json:"kubelet"`
}

// WriteSeed makes a new cluster of spec, and writes what its machines need
// into dir: an archive for each, and what it takes to enter them. What an
// earlier seed left there is replaced; machines provisioned with it must be
// provisioned again.
func WriteSeed(dir string, spec cluster.Spec) (Description, error) {
	product, err := cluster.Build(spec)
	if err != nil {
		return Description{}, err
	}
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return Description{}, fmt.Errorf("make an id: %w", err)
	}
	d := Description{ID: hex.EncodeToString(id), Kubernetes: spec.Kubernetes, Kubelet: spec.Kubelet}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return d, fmt.Errorf("make the lab's directory: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return d, fmt.Errorf("close the lab's directory to others: %w", err)
	}
	// Without a description there is no lab: a seed that is cut short is none.
	if err := os.Remove(filepath.Join(dir, labFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	for _, m := range spec.Machines {
		files := append(product.Files[m.Name], cluster.File{Path: idFile, Mode: 0o644, Content: []byte(d.ID + "\n")})
		if m.Role == cluster.Server {
			files = append(files, cluster.File{Path: adminConf, Mode: 0o600, Content: product.AdminKubeconfig("https://127.0.0.1:6443")})
		}
		if err := writeArchive(filepath.Join(dir, m.Name+".tar.zst"), files); err != nil {
			return d, fmt.Errorf("write the seed of %s: %w", m.Name, err)
		}
		d.Machines = append(d.Machines, lab.Machine{Name: m.Name, Role: lab.Role(m.Role), Addr: m.Addr})
	}
	if err := writeJSON(filepath.Join(dir, accessFile), product.Access); err != nil {
		return d, err
	}
	return d, writeJSON(filepath.Join(dir, labFile), d)
}

func writeArchive(path string, files []cluster.File) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	// Compressed, because SSH is slow to an emulated processor.
	w, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(cluster.WriteTar(w, files), w.Close(), f.Close())
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// readJSON reads a file of the lab's directory, at most 1 MiB.
func readJSON(path string, v any) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > 1<<20 {
		return fmt.Errorf("read %s: it is larger than 1 MiB", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
