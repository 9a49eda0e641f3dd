package scenarios

import (
	"fmt"
	"path"
	"strings"

	"github.com/nfsim/nfsim/pkg/outcome"
)

// Allowed is one outcome that a cell may have. A figure may not exceed Max
// (in the unit of the word: s or ms); Max 0 is no limit.
type Allowed struct {
	Word outcome.Word
	Max  float64
}

// String is the word, with its limit when it has one.
func (a Allowed) String() string {
	if a.Max == 0 {
		return string(a.Word)
	}
	return fmt.Sprintf("%s(<= %g %s)", a.Word, a.Max, a.Word.Unit())
}

func (a Allowed) admits(o outcome.Outcome) bool {
	if a.Word != o.Word {
		return false
	}
	return a.Max == 0 || o.Figure == nil || o.Figure.Unit == a.Word.Unit() && o.Figure.Value <= a.Max && !o.Figure.More
}

// Expectation is one row of the reviewed table: which outcomes the cells that
// it names may have, why, and who says so.
type Expectation struct {
	Scenario string   // glob on family/name
	Profiles []string // globs on the profile
	Allowed  []Allowed
	Why      string
	Source   string
}

// Expected returns the first row of the table that names the cell. ok is
// false when none does: then everything measured is new.
func Expected(scenario, profile string) (e Expectation, ok bool) {
	for _, row := range expectations() {
		if !matches(row.Scenario, scenario) {
			continue
		}
		for _, p := range row.Profiles {
			if matches(p, profile) {
				return row, true
			}
		}
	}
	return Expectation{}, false
}

// matches is path.Match for the table's own patterns, which a test checks.
func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// Surprises returns the outcomes that the row does not allow.
func (e Expectation) Surprises(outcomes []outcome.Outcome) []outcome.Outcome {
	var out []outcome.Outcome
	for _, o := range outcomes {
		admitted := false
		for _, a := range e.Allowed {
			admitted = admitted || a.admits(o)
		}
		if !admitted {
			out = append(out, o)
		}
	}
	return out
}

// Strings lists what is allowed, for a report.
func (e Expectation) Strings() []string {
	out := make([]string, len(e.Allowed))
	for i, a := range e.Allowed {
		out[i] = a.String()
	}
	return out
}

// allow builds a list from words, some with a limit as in
// "BOUNDED_STALE<=4000".
func allow(words ...string) []Allowed {
	out := make([]Allowed, len(words))
	for i, w := range words {
		name, limit, ok := strings.Cut(w, "<=")
		out[i].Word = outcome.Word(name)
		if ok {
			if _, err := fmt.Sscanf(limit, "%g", &out[i].Max); err != nil {
				panic(fmt.Sprintf("expectation table: %q: %v", w, err))
			}
		}
	}
	return out
}

// expectations is the reviewed table, written from documentation and source
// before anything was measured. The first row that matches counts. A
// measurement that contradicts it is NEW until docs/findings.md explains it.
func expectations() []Expectation {
	any := []string{"*"}
	return []Expectation{
		{
			Scenario: "nfs/close-to-open", Profiles: []string{"v3"},
			Allowed: allow("LINEARIZABLE", "CLOSE_TO_OPEN", "BOUNDED_STALE<=62000", "UNBOUNDED_STALE", "DURABLE", "CLEAN"),
			Why:     "an NFSv3 client tells versions apart by ctime; two rewrites of one size within a tick of the server's clock (4 ms at HZ=250) look like one",
			Source:  "nfs(5) DATA AND METADATA COHERENCE; RFC 1813 section 4.11; fs/nfs/inode.c nfs_update_inode",
		},
		{
			Scenario: "nfs/close-to-open", Profiles: any,
			Allowed: allow("LINEARIZABLE", "CLOSE_TO_OPEN", "DURABLE", "CLEAN"),
			Why:     "open revalidates against the change attribute and close flushes; one open and one close at a time cannot tell close-to-open from linearizable",
			Source:  "nfs(5) Close-to-open cache consistency; RFC 8881 section 10.3.1",
		},
		{
			Scenario: "nfs/attr-cache", Profiles: []string{"noac"},
			Allowed: allow("LINEARIZABLE", "BOUNDED_STALE<=100", "DURABLE", "CLEAN"),
			Why:     "noac sets all attribute timeouts to 0, so that every stat and read asks the server; only what was on the wire may be old",
			Source:  "nfs(5) ac / noac; fs/nfs/inode.c nfs_attribute_cache_expired",
		},
		{
			Scenario: "nfs/attr-cache", Profiles: []string{"actimeo=1"},
			Allowed: allow("BOUNDED_STALE<=1500", "DURABLE", "CLEAN"),
			Why:     "attributes are trusted for 1 s, no less and no more",
			Source:  "nfs(5) actimeo",
		},
		{
			Scenario: "nfs/attr-cache", Profiles: any,
			Allowed: allow("BOUNDED_STALE<=61000", "DURABLE", "CLEAN"),
			Why:     "attributes of files are trusted for acregmin=3 to acregmax=60 s; the timeout doubles with every revalidation that finds no change",
			Source:  "nfs(5) acregmin, acregmax; fs/nfs/inode.c nfs_update_inode",
		},
		{
			Scenario: "kubelet/kubelet-restart", Profiles: any,
			Allowed: allow("DURABLE", "UNINTERRUPTED", "STAYED", "CLEAN", "LINEARIZABLE", "CLOSE_TO_OPEN"),
			Why:     "containers live in containerd's shims and the mount in the host's namespace; a kubelet with KillMode=process takes neither along",
			Source:  "systemd.kill(5); kubernetes test/e2e/storage/utils TestKubeletRestartsAndRestoresMount",
		},
		{
			Scenario: "kubelet/force-delete-while-down", Profiles: any,
			Allowed: allow("DURABLE", "ZOMBIE_WRITER", "UNMOUNTED_UNDER_POD", "CLEAN"),
			Why:     "a force delete removes the API object without asking the kubelet, so the container writes on until a kubelet finds it; the volume's tear-down and the container's end are not ordered",
			Source:  "Kubernetes documentation, Force Stateful Set Pod deletion; pkg/kubelet/volumemanager/reconciler/reconstruct.go",
		},
	}
}
