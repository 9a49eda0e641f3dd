package cluster

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// The images that every worker has; there is no registry behind the names, so
// pods must use imagePullPolicy Never.
const (
	// PauseImage holds a pod's namespaces: `nfsim-agent pause` reaps and waits.
	PauseImage = "nfsim.local/pause:1"
	// WorkloadImage has the agent at /nfsim-agent as its entry point and, when
	// the spec has one, busybox at /bin/busybox with links for its commands.
	WorkloadImage = "nfsim.local/workload:1"
)

// busyboxCommands are the links in /bin of the workload image; any other
// applet is reached as `busybox APPLET`.
func busyboxCommands() []string {
	return []string{
		"cat", "chmod", "cp", "date", "dd", "df", "du", "echo", "env", "false", "find", "grep", "head", "hostname", "id", "kill", "ln", "ls",
		"md5sum", "mkdir", "mount", "mv", "nc", "ps", "pwd", "rm", "rmdir", "sed", "seq", "sh", "sha256sum", "sleep", "sort", "stat", "sync",
		"tail", "test", "timeout", "top", "touch", "true", "umount", "uname", "vi", "wc", "wget",
	}
}

// taggedImage is an image of the archive.
type taggedImage struct {
	tag  string
	from v1.Image
	args []string // of the agent
}

// WorkloadArchive makes a docker-archive of the workload image alone, without
// busybox: for workers that are not of our making. The agent is the one for
// arch, a GOARCH.
func WorkloadArchive(arch string, agent []byte) ([]byte, error) {
	image, err := agentImage(agent)
	if err != nil {
		return nil, err
	}
	return writeImages(arch, taggedImage{WorkloadImage, image, []string{"version"}})
}

// buildImages makes one docker-archive with both images. They share the layer
// of the agent, and one archive means one import on each worker.
func buildImages(s Spec) ([]byte, error) {
	base, err := agentImage(s.AgentBinary)
	if err != nil {
		return nil, err
	}
	workload := base
	if s.BusyboxPath != "" {
		layer, err := busyboxLayer(s.BusyboxPath)
		if err != nil {
			return nil, err
		}
		if workload, err = appendLayer(base, layer); err != nil {
			return nil, fmt.Errorf("add busybox layer: %w", err)
		}
	}
	return writeImages(s.Arch,
		taggedImage{PauseImage, base, []string{"pause"}},
		taggedImage{WorkloadImage, workload, []string{"version"}})
}

// agentImage has the agent and little else.
func agentImage(agent []byte) (v1.Image, error) {
	image, err := appendLayer(empty.Image, []File{
		directory("/data", 0o755),
		directory("/run/nfsim", 0o755),
		{Path: "/nfsim-agent", Mode: 0o755, Content: agent},
		{Path: "/etc/passwd", Mode: 0o644, Content: []byte("root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")},
		{Path: "/etc/group", Mode: 0o644, Content: []byte("root:x:0:\nnogroup:x:65534:\n")},
	})
	if err != nil {
		return nil, fmt.Errorf("add agent layer: %w", err)
	}
	return image, nil
}

// writeImages makes a docker-archive.
func writeImages(arch string, list ...taggedImage) ([]byte, error) {
	images := map[name.Tag]v1.Image{}
	for _, image := range list {
		tag, err := name.NewTag(image.tag)
		if err != nil {
			return nil, fmt.Errorf("name image %s: %w", image.tag, err)
		}
		if images[tag], err = configure(image.from, arch, image.args); err != nil {
			return nil, fmt.Errorf("configure image %s: %w", image.tag, err)
		}
	}
	var out bytes.Buffer
	if err := tarball.MultiWrite(images, &out); err != nil {
		return nil, fmt.Errorf("write image archive: %w", err)
	}
	return sortArchive(&out)
}

// sortArchive gives a docker-archive a fixed order, as tarball.MultiWrite goes
// through a map. Readers find the parts by the names in manifest.json.
func sortArchive(r io.Reader) ([]byte, error) {
	var files []File
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("sort image archive: %w", err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return nil, fmt.Errorf("sort image archive: %w", err)
		}
		files = append(files, File{Path: "/" + header.Name, Mode: 0o644, Content: content})
	}
	var out bytes.Buffer
	if err := WriteTar(&out, files); err != nil {
		return nil, fmt.Errorf("sort image archive: %w", err)
	}
	return out.Bytes(), nil
}

func busyboxLayer(path string) ([]File, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read busybox: %w", err)
	}
	files := []File{{Path: "/bin/busybox", Mode: 0o755, Content: content}}
	for _, command := range busyboxCommands() {
		files = append(files, link("/bin/"+command, "busybox"))
	}
	return files, nil
}

func appendLayer(image v1.Image, files []File) (v1.Image, error) {
	var archive bytes.Buffer
	if err := WriteTar(&archive, files); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
	})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(image, layer)
}

func configure(image v1.Image, arch string, args []string) (v1.Image, error) {
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Architecture = arch
	file.OS = "linux"
	file.Created = v1.Time{Time: tarTime()}
	file.Config = v1.Config{
		Entrypoint: []string{"/nfsim-agent"},
		Cmd:        args,
		Env:        []string{"PATH=/bin:/"},
		WorkingDir: "/",
	}
	return mutate.ConfigFile(image, file)
}
