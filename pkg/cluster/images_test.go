package cluster

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func openImage(t *testing.T, archive []byte, tag string) v1.Image {
	t.Helper()
	ref, err := name.NewTag(tag)
	if err != nil {
		t.Fatal(err)
	}
	image, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }, &ref)
	if err != nil {
		t.Fatalf("read %s: %v", tag, err)
	}
	return image
}

func imageFiles(t *testing.T, image v1.Image) []string {
	t.Helper()
	r := mutate.Extract(image)
	defer r.Close()
	return entries(t, r)
}

func TestImages(t *testing.T) {
	t.Parallel()
	s := testSpec(t)
	archive, err := buildImages(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		tag     string
		args    []string
		layers  int
		has     string
		without string
	}{
		{PauseImage, []string{"pause"}, 1, `-rwxr-xr-x nfsim-agent "binary of the agent"`, `Lrwxrwxrwx bin/sh -> busybox`},
		{WorkloadImage, []string{"version"}, 2, `Lrwxrwxrwx bin/sh -> busybox`, ``},
	} {
		t.Run(tc.tag, func(t *testing.T) {
			t.Parallel()
			image := openImage(t, archive, tc.tag)
			config, err := image.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if config.Architecture != "amd64" || config.OS != "linux" {
				t.Errorf("platform is %s/%s", config.OS, config.Architecture)
			}
			if diff := cmp.Diff([]string{"/nfsim-agent"}, config.Config.Entrypoint); diff != "" {
				t.Errorf("entry point (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.args, config.Config.Cmd); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
			layers, err := image.Layers()
			if err != nil || len(layers) != tc.layers {
				t.Errorf("%d layers (%v), want %d", len(layers), err, tc.layers)
			}
			files := imageFiles(t, image)
			if !slices.Contains(files, tc.has) {
				t.Errorf("%q is not among %q", tc.has, files)
			}
			if slices.Contains(files, tc.without) {
				t.Errorf("%q is there", tc.without)
			}
		})
	}
}

func TestImagesWithoutBusybox(t *testing.T) {
	t.Parallel()
	s := testSpec(t)
	s.BusyboxPath = ""
	archive, err := buildImages(s)
	if err != nil {
		t.Fatal(err)
	}
	files := imageFiles(t, openImage(t, archive, WorkloadImage))
	if !slices.Contains(files, `-rwxr-xr-x nfsim-agent "binary of the agent"`) {
		t.Errorf("the agent is not among %q", files)
	}
}

func TestImagesAreDeterministic(t *testing.T) {
	t.Parallel()
	s := testSpec(t)
	first, err := buildImages(s)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, err := buildImages(s)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, again) {
			t.Fatal("two builds of the same images differ")
		}
	}
}

func TestWorkloadArchive(t *testing.T) {
	t.Parallel()
	archive, err := WorkloadArchive("arm64", []byte("an agent"))
	if err != nil {
		t.Fatal(err)
	}
	image := openImage(t, archive, WorkloadImage)
	config, err := image.ConfigFile()
	if err != nil || config.Architecture != "arm64" {
		t.Errorf("%+v, %v", config, err)
	}
	if !slices.ContainsFunc(imageFiles(t, image), func(line string) bool { return strings.Contains(line, `nfsim-agent "an agent"`) }) {
		t.Error("the agent is not in it")
	}
	if strings.Contains(string(archive), PauseImage) {
		t.Error("an image that the workers have of their own is in it")
	}
}
