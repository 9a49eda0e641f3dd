// Package layering enforces the import directions of docs/architecture.md.
//
//	go test ./internal/layering
package layering

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// rule says what packages must not reach through their imports, however many
// packages lie between. Patterns are paths below the module ("pkg/lab"), or
// import paths of others with a dot in the first element; one that ends in
// "/..." covers what is below it too. "outside..." is everything but the
// standard library and this module.
type rule struct {
	from   []string
	never  []string
	except []string // packages of never that from may reach
	why    string
}

// rules is the table of docs/architecture.md.
func rules() []rule {
	lab := []string{"pkg/sshnode/...", "pkg/lab/...", "pkg/kube/...", "pkg/agent/...", "pkg/nfs/...", "pkg/fault/...", "pkg/shareserver/...", "pkg/scenarios/...", "pkg/run/...",
		"k8s.io/client-go/...", "golang.org/x/crypto/ssh/..."}
	return []rule{
		{
			from: []string{"pkg/report/...", "pkg/repro/...", "pkg/compare/...", "pkg/consistency/...", "pkg/history/...", "pkg/outcome/...", "pkg/rundir/..."}, never: lab,
			why: "a recorded run is judged and shown on a laptop with no lab at all",
		},
		{
			from: []string{"pkg/outcome", "pkg/history", "pkg/payload", "pkg/agent/proto"}, never: []string{"outside..."},
			why: "words, operations and payloads are shared by all sides, the nodes included: standard library only",
		},
		{
			from: []string{"pkg/outcome", "pkg/history", "pkg/payload", "pkg/agent/proto", "pkg/sshnode", "pkg/cache"}, never: []string{"pkg/..."},
			except: []string{"pkg/payload", "pkg/sshnode/..."},
			why:    "these are the ground that the others stand on",
		},
		{
			from: []string{"pkg/rundir"}, never: []string{"pkg/..."}, except: []string{"pkg/history", "pkg/outcome"},
			why: "the run directory is the seam between recording and judging: it knows neither side",
		},
		{
			from: []string{"pkg/consistency"}, never: []string{"pkg/..."}, except: []string{"pkg/history", "pkg/outcome"},
			why: "models judge histories, wherever these came from",
		},
		{
			from: []string{"pkg/report"}, never: []string{"pkg/..."}, except: []string{"pkg/rundir", "pkg/history", "pkg/outcome"},
			why: "a report shows verdicts, it does not make them",
		},
		{
			from: []string{"pkg/repro"}, never: []string{"pkg/..."}, except: []string{"pkg/rundir", "pkg/history", "pkg/outcome"},
			why: "a script is made of what was recorded, never of what a scenario's code says",
		},
		{
			from: []string{"cmd/nfsim-agent"}, never: []string{"pkg/..."}, except: []string{"pkg/agent/...", "pkg/payload"},
			why: "the agent runs on the nodes and stays small; what controls it (pkg/agent, by way of pkg/sshnode) is not part of it",
		},
		{
			from: []string{"cmd/nfsim-agent", "pkg/agent/executor"}, never: []string{"outside..."}, except: []string{"golang.org/x/sys/..."},
			why: "the agent runs on the nodes and stays small",
		},
		{
			from: []string{"pkg/sshnode", "pkg/agent", "pkg/nfs", "pkg/fault", "pkg/kube", "pkg/shareserver"}, never: []string{"pkg/scenarios/...", "pkg/run/...", "pkg/report/...", "pkg/lab/qemu/..."},
			why: "tools do not know what they are used for",
		},
		{
			from: []string{"pkg/shareserver"}, never: []string{"pkg/lab/...", "pkg/sshnode/...", "pkg/agent/...", "pkg/fault/...", "pkg/nfs/..."}, except: []string{"pkg/agent/mono"},
			why: "a reconciler knows the API server alone, as any other does",
		},
		{
			from: []string{"pkg/scenarios"}, never: []string{"pkg/run/...", "pkg/report/...", "pkg/cluster/...", "pkg/image/...", "pkg/kubebuild/...", "pkg/lab/qemu/..."},
			why: "a scenario runs on any lab, however it came to be",
		},
		{
			from: []string{"pkg/run"}, never: []string{"pkg/report/...", "pkg/lab/qemu/...", "pkg/cluster/...", "pkg/image/...", "pkg/kubebuild/..."},
			why: "running does not depend on how a lab came to be, nor on how results are shown",
		},
		{
			from: []string{"pkg/lab", "pkg/cache", "pkg/image", "pkg/kubebuild", "pkg/cluster"}, never: []string{"pkg/scenarios/...", "pkg/run/...", "pkg/report/...", "pkg/consistency/..."},
			why: "a lab is there before anyone experiments on it",
		},
		{
			from: []string{"pkg/...", "internal/..."}, never: []string{"cmd/..."},
			why: "commands are wiring only",
		},
	}
}

// onlyImporters are modules that one package alone imports.
func onlyImporters() map[string][]string {
	return map[string][]string{
		"github.com/anishathalye/porcupine":      {"pkg/consistency"},
		"github.com/vmware/go-nfs-client":        {"pkg/nfs"},
		"github.com/containers/gvisor-tap-vsock": {"pkg/lab/qemu"},
	}
}

// tree is the import graph of the module, test files left out.
type tree struct {
	module  string
	imports map[string][]string // package below the module -> import paths
}

func TestImportDirections(t *testing.T) {
	t.Parallel()
	tr := load(t)
	for _, r := range rules() {
		for _, problem := range tr.broken(r) {
			t.Error(problem)
		}
	}
	for module, allowed := range onlyImporters() {
		for _, pkg := range slices.Sorted(maps.Keys(tr.imports)) {
			for _, imp := range tr.imports[pkg] {
				if matches(module+"/...", imp) && !slices.ContainsFunc(allowed, func(a string) bool { return matches(a+"/...", pkg) }) {
					t.Errorf("%s imports %s: only %s may", pkg, imp, strings.Join(allowed, ", "))
				}
			}
		}
	}
}

// TestRulesAreChecked makes sure that the test above can fail.
func TestRulesAreChecked(t *testing.T) {
	t.Parallel()
	tr := &tree{module: "m", imports: map[string][]string{
		"pkg/report":  {"fmt", "m/pkg/rundir"},
		"pkg/rundir":  {"m/pkg/helper", "example.com/x/y"},
		"pkg/helper":  {"m/pkg/sshnode/dial"},
		"pkg/history": {"os"},
	}}
	tests := []struct {
		name string
		rule rule
		want string // "" for none
	}{
		{"through another", rule{from: []string{"pkg/report"}, never: []string{"pkg/sshnode/..."}}, "pkg/report -> pkg/rundir -> pkg/helper -> pkg/sshnode/dial"},
		{"outside", rule{from: []string{"pkg/report"}, never: []string{"outside..."}}, "pkg/report -> pkg/rundir -> example.com/x/y"},
		{"outside but allowed", rule{from: []string{"pkg/report"}, never: []string{"outside..."}, except: []string{"example.com/..."}}, ""},
		{"allowed hides what lies behind it", rule{from: []string{"pkg/report"}, never: []string{"pkg/..."}, except: []string{"pkg/rundir"}}, "pkg/report -> pkg/rundir -> pkg/helper"},
		{"standard library", rule{from: []string{"pkg/history"}, never: []string{"outside...", "pkg/..."}}, ""},
		{"exact is not a prefix", rule{from: []string{"pkg/report"}, never: []string{"pkg/sshnode"}}, ""},
		{"not concerned", rule{from: []string{"pkg/history/..."}, never: []string{"pkg/helper"}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			problems := strings.Join(tr.broken(tt.rule), "\n")
			if tt.want == "" && problems != "" || !strings.Contains(problems, tt.want) {
				t.Errorf("got %q, want %q", problems, tt.want)
			}
		})
	}
}

// broken returns a line for each package that breaks the rule, with the way by
// which it does.
func (tr *tree) broken(r rule) []string {
	var problems []string
	for _, from := range slices.Sorted(maps.Keys(tr.imports)) {
		if !covered(r.from, from) {
			continue
		}
		if way := tr.way(from, r); way != nil {
			problems = append(problems, fmt.Sprintf("%s: %s", strings.Join(way, " -> "), r.why))
		}
	}
	return problems
}

// way returns the shortest way from a package to one that the rule forbids, nil
// if there is none.
func (tr *tree) way(from string, r rule) []string {
	type step struct {
		pkg  string
		prev *step
	}
	seen := map[string]bool{from: true}
	queue := []*step{{pkg: from}}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, imp := range tr.imports[at.pkg] {
			pkg := strings.TrimPrefix(imp, tr.module+"/")
			if seen[pkg] {
				continue
			}
			seen[pkg] = true
			next := &step{pkg, at}
			if covered(r.never, pkg) && !covered(r.except, pkg) {
				var way []string
				for s := next; s != nil; s = s.prev {
					way = append(way, s.pkg)
				}
				slices.Reverse(way)
				return way
			}
			queue = append(queue, next)
		}
	}
	return nil
}

func covered(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, pkg) })
}

func matches(pattern, pkg string) bool {
	if pattern == "outside..." {
		first, _, _ := strings.Cut(pkg, "/")
		return strings.Contains(first, ".")
	}
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == below || strings.HasPrefix(pkg, below+"/")
	}
	return pkg == pattern
}

// load reads the imports of every Go file of the module that is not a test.
// Build constraints are left out of account: a rule holds for all of them.
func load(t *testing.T) *tree {
	t.Helper()
	root := filepath.Join("..", "..")
	data, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	tr := &tree{module: modfile.ModulePath(data), imports: make(map[string][]string)}
	for _, top := range []string{"cmd", "pkg", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_")) {
				return fs.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return nil
			}
			rel, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			return tr.add(path.Dir(filepath.ToSlash(rel)), file)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(tr.imports) == 0 {
		t.Fatal("no packages found: nothing would be checked")
	}
	return tr
}

func (tr *tree) add(pkg, file string) error {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		return fmt.Errorf("parse %s: %w", file, err)
	}
	if _, ok := tr.imports[pkg]; !ok {
		tr.imports[pkg] = nil
	}
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("parse %s: %w", file, err)
		}
		if !slices.Contains(tr.imports[pkg], imp) {
			tr.imports[pkg] = append(tr.imports[pkg], imp)
		}
	}
	return nil
}
