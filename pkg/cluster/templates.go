package cluster

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
	"text/template"
)

//go:embed templates
var templates embed.FS

// recipeRevision must grow with every change of the Go code of this package
// that changes a machine's files; changes of templates count by themselves.
const recipeRevision = "2"

// RecipeHash is a SHA-256 over the recipe: the embedded templates and the
// revision of the code that fills them.
func RecipeHash() string {
	h := sha256.New()
	fmt.Fprintln(h, recipeRevision)
	err := fs.WalkDir(templates, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := templates.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s %d\n%s", path, len(content), content)
		return nil
	})
	if err != nil {
		panic("embedded templates cannot be read: " + err.Error())
	}
	return hex.EncodeToString(h.Sum(nil))
}

// view is what a template sees.
type view struct {
	Machine      Machine
	Machines     []Machine
	Server       Machine
	Subnet       string  // pods of this worker
	Routes       []route // pods of the other workers
	LeaseSeconds int
	GraceSeconds int
	ServiceCIDR  string
	PKI          string
	Disabled     string // controllers left out, as --controllers takes them
	PauseImage   string
	Images       []string
	ImageArchive string
}

// route leads to the pods of another worker.
type route struct{ Subnet, Via string }

func render(name string, v view) (string, error) {
	parsed, err := template.New(name).Option("missingkey=error").ParseFS(templates, "templates/"+name)
	if err != nil {
		return "", fmt.Errorf("parse template %s: %w", name, err)
	}
	var out strings.Builder
	if err := parsed.Execute(&out, v); err != nil {
		return "", fmt.Errorf("fill template %s: %w", name, err)
	}
	return out.String(), nil
}

// rendered says which template becomes which file.
type rendered struct {
	template, path string
	mode           fs.FileMode
}

func renderAll(list []rendered, v view) ([]File, error) {
	files := make([]File, 0, len(list))
	for _, r := range list {
		content, err := render(r.template, v)
		if err != nil {
			return nil, err
		}
		files = append(files, text(r.path, r.mode, content))
	}
	return files, nil
}
