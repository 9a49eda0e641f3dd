package repro

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/nfsim/nfsim/pkg/rundir"
)

// decode reads a body; what is no object is nil.
func decode(body json.RawMessage) map[string]any {
	var object map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&object) != nil {
		return nil
	}
	return object
}

// find is a text in an object.
func find(object map[string]any, keys ...string) string {
	text, _ := at(object, keys...).(string)
	return text
}

func at(object map[string]any, keys ...string) any {
	var v any = object
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

// nameIn is the name of the object that a request is about.
func nameIn(r *rundir.StepRequest) string {
	if r.Name != "" {
		return r.Name
	}
	return find(decode(r.Body), "metadata", "name")
}

// request writes a change in the API as kubectl makes it.
func (w *writer) request(s *rundir.Step) {
	r := s.Request
	switch {
	case r.Body == nil && r.Verb != "delete":
		w.comment("not repeated: %s of %s %s, whose content is not recorded", r.Verb, r.Resource, nameIn(r))
	case r.Verb == "create" && r.Subresource != "":
		w.line("kc create --raw \"/%s\" -f - <<EOF%s\n%s\nEOF", w.url(r), took(s), w.yaml(decode(r.Body)))
	case r.Verb == "create":
		w.create(s)
	case r.Verb == "delete":
		w.remove(s)
	case r.Verb == "update" && r.Resource == "nodes":
		w.taints(s)
	case r.Verb == "patch":
		kind := map[string]string{"application/merge-patch+json": "merge", "application/json-patch+json": "json"}[r.Type]
		if kind == "" {
			kind = "strategic"
		}
		w.line("kc %spatch %s %s --type=%s -p %s%s", w.inNamespace(r), w.kind(r), w.object(r), kind, w.script(string(r.Body)), took(s))
	default:
		w.line("kc replace -f - <<EOF%s\n%s\nEOF", took(s), w.yaml(decode(r.Body)))
	}
}

// kind is the resource as kubectl takes it without doubt.
func (w *writer) kind(r *rundir.StepRequest) string {
	if r.Group == "" {
		return single(r.Resource)
	}
	return single(r.Resource + "." + r.Version + "." + r.Group)
}

// object is the name of the request's object as a word.
func (w *writer) object(r *rundir.StepRequest) string {
	if r.Resource == "nodes" {
		return "\"$NODE_" + w.role(r.Name) + "\""
	}
	return w.word(nameIn(r))
}

func (w *writer) inNamespace(r *rundir.StepRequest) string {
	if r.Namespace == "" {
		return ""
	}
	return "-n " + w.word(r.Namespace) + " "
}

func (w *writer) url(r *rundir.StepRequest) string {
	parts := []string{"api", r.Version}
	if r.Group != "" {
		parts = []string{"apis", r.Group, r.Version}
	}
	if r.Namespace != "" {
		parts = append(parts, "namespaces", r.Namespace)
	}
	text, _ := w.expand(strings.Join(append(parts, r.Resource, r.Name, r.Subresource), "/"))
	return text
}

// conflict is the HTTP status of a create of what is there already.
const conflict = 409

func (w *writer) create(s *rundir.Step) {
	r := s.Request
	object := decode(r.Body)
	if object == nil {
		w.comment("not repeated: create of %s, whose content is no JSON", r.Resource)
		return
	}
	if r.Namespace == "" {
		w.requests = append(w.requests, *s)
	}
	delete(object, "status")
	w.plainMeta(object)
	writers := w.writersOf(nameIn(r))
	eachPodSpec(object, func(spec map[string]any) { plainPod(spec, writers) })
	comment := took(s)
	if r.Status == conflict {
		comment = " # it was there already in the trial"
	}
	w.line("kc create -f - <<EOF%s\n%s\nEOF", comment, w.yaml(object))
	switch r.Resource {
	case "namespaces":
		w.line("await 60 'the default service account is there' in_api serviceaccount default")
	case "pods", "deployments", "statefulsets":
		w.line("happened %s", single("create "+r.Resource+" "+nameIn(r)))
	}
}

// plainMeta takes out of an object and its templates what only nfsim and the API
// server want.
func (w *writer) plainMeta(v any) {
	switch v := v.(type) {
	case map[string]any:
		if meta, ok := v["metadata"].(map[string]any); ok {
			delete(meta, "creationTimestamp")
			if labels, ok := meta["labels"].(map[string]any); ok {
				delete(labels, "nfsim.io/run")
				if len(labels) == 0 {
					delete(meta, "labels")
				}
			}
			if len(meta) == 0 {
				delete(v, "metadata")
			}
		}
		for k, inner := range v {
			if text, ok := inner.(string); ok && w.roles[text] != "" {
				v[k] = nodeMark(w.roles[text])
			} else {
				w.plainMeta(inner)
			}
		}
	case []any:
		for i, inner := range v {
			if text, ok := inner.(string); ok && w.roles[text] != "" {
				v[i] = nodeMark(w.roles[text])
			} else {
				w.plainMeta(inner)
			}
		}
	}
}

// nodeMark stands in a manifest for the name of a node, and imageMark for the
// image of the writers.
func nodeMark(role string) string { return "__NODE_" + role + "__" }

const imageMark = "__IMAGE__"

// yaml is an object as the text of a here-document without quotes.
func (w *writer) yaml(object map[string]any) string {
	out, err := yaml.Marshal(object)
	if err != nil {
		return "# " + clean(err.Error())
	}
	text := string(out)
	// A line of the object must not end the here-document.
	text = strings.ReplaceAll("\n"+text, "\nEOF\n", "\n'EOF'\n")[1:]
	text, _ = w.expand(strings.TrimRight(text, "\n"))
	text = strings.ReplaceAll(text, `\"`, `"`) // double quotes need no escape there
	for _, role := range []string{roleA, roleB, roleServer} {
		text = strings.ReplaceAll(text, nodeMark(role), "${NODE_"+role+"}")
	}
	return strings.ReplaceAll(text, imageMark, "${IMAGE}")
}

// eachPodSpec calls do for the specification of a pod, or of a template's pods.
func eachPodSpec(object map[string]any, do func(spec map[string]any)) {
	for _, keys := range [][]string{{"spec"}, {"spec", "template", "spec"}} {
		if spec, ok := at(object, keys...).(map[string]any); ok && spec["containers"] != nil {
			do(spec)
		}
	}
}

// podWriter is what a pod appends to.
type podWriter struct {
	name, file, sync string
	every            float64 // s
	ignoresTerm      bool
}

// writersOf are the writers of the pod, or of the pods of the controller, of this
// name.
func (w *writer) writersOf(name string) []podWriter {
	var out []podWriter
	for _, s := range w.steps {
		if s.Do != rundir.DoAppend || s.In != name && !w.controls(name, s.In) {
			continue
		}
		p := podWriter{name: s.Name, file: s.Path, sync: s.Options, every: float64(s.EveryNS) / 1e9}
		known := false
		for _, o := range out {
			known = known || o.file == p.file
		}
		if !known {
			out = append(out, p)
		}
	}
	return out
}

// controls says whether a pod is one that an object of this name made: it has a
// longer name, which is that of no object that was made by hand.
func (w *writer) controls(name, pod string) bool {
	if !strings.HasPrefix(pod, name+"-") {
		return false
	}
	for _, s := range w.steps {
		if s.Do == rundir.DoRequest && s.Request.Verb == "create" && nameIn(s.Request) != name &&
			(nameIn(s.Request) == pod || strings.HasPrefix(pod, nameIn(s.Request)+"-") && strings.HasPrefix(nameIn(s.Request), name+"-")) {
			return false
		}
	}
	return true
}

// plainPod has the pod's containers that are nfsim's agent do with a shell what
// the agent was told to do.
func plainPod(spec map[string]any, writers []podWriter) {
	containers, _ := spec["containers"].([]any)
	for _, c := range containers {
		c, ok := c.(map[string]any)
		if !ok || c["name"] != "agent" {
			continue
		}
		ignores := strings.Contains(fmt.Sprint(c["args"]), "--ignore-term")
		for i := range writers {
			writers[i].ignoresTerm = ignores
		}
		c["name"], c["image"], c["imagePullPolicy"] = "writer", imageMark, "IfNotPresent"
		c["command"] = []any{"sh", "-c", podScript(writers)}
		delete(c, "args")
		if empty(c["resources"]) {
			delete(c, "resources")
		}
		c["volumeMounts"] = without(c["volumeMounts"], "socket")
	}
	spec["volumes"] = without(spec["volumes"], "socket")
	if empty(spec["volumes"]) {
		delete(spec, "volumes")
	}
}

func empty(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return v == nil
}

// without leaves out of a list the entries of a name.
func without(list any, name string) any {
	entries, _ := list.([]any)
	var out []any
	for _, e := range entries {
		if m, ok := e.(map[string]any); ok && m["name"] == name {
			continue
		}
		out = append(out, e)
	}
	return out
}

// podScript is what a pod runs: numbered lines, each appended and flushed as the
// agent did it. A shell that is process 1 has to be told to end at SIGTERM.
func podScript(writers []podWriter) string {
	if len(writers) == 0 {
		return "trap 'exit 0' TERM\nsleep 1000000 &\nwait\n"
	}
	var b strings.Builder
	b.WriteString("id=$(cut -c 1-8 /proc/sys/kernel/random/uuid)\n")
	for i, p := range writers {
		end := "done\n"
		if i < len(writers)-1 {
			end = "done &\n"
		}
		if i == 0 {
			if p.ignoresTerm {
				b.WriteString("trap 'echo SIGTERM ignored' TERM\n")
			} else {
				b.WriteString("trap 'exit 0' TERM\n")
			}
		}
		oflag, conv := "append", "notrunc"
		switch p.sync {
		case "fsync", "fdatasync":
			conv += ",fsync"
		case "osync":
			oflag += ",sync"
		}
		b.WriteString("n=1\nwhile :; do\n")
		fmt.Fprintf(&b, "  echo \"%s.$id $n $(date +%%s)\" | dd of=%s oflag=%s conv=%s 2>/dev/null && n=$((n + 1))\n", bare(p.name), bare(p.file), oflag, conv)
		fmt.Fprintf(&b, "  sleep %g\n%s", p.every, end)
	}
	return b.String()
}

func (w *writer) remove(s *rundir.Step) {
	r := s.Request
	options := decode(r.Body)
	flags := ""
	if grace, ok := options["gracePeriodSeconds"].(json.Number); ok {
		flags += " --grace-period=" + single(grace.String())
		if grace.String() == "0" {
			flags += " --force"
		}
	}
	switch options["propagationPolicy"] {
	case "Background":
		flags += " --cascade=background"
	case "Foreground":
		flags += " --cascade=foreground"
	case "Orphan":
		flags += " --cascade=orphan"
	}
	what := "delete " + r.Resource + " " + r.Name + flags
	w.marks[what] = s.T
	w.line("happened %s", single(what))
	w.line("kc %sdelete %s %s --wait=false%s%s%s", w.inNamespace(r), w.kind(r), w.object(r), flags, orSo(s), took(s))
}

// taints writes what a node's taints were changed to, as far as it is not the
// control plane that sets and removes them.
func (w *writer) taints(s *rundir.Step) {
	list := func(s *rundir.Step) map[string]string {
		out := map[string]string{}
		entries, _ := at(decode(s.Request.Body), "spec", "taints").([]any)
		for _, e := range entries {
			t, _ := e.(map[string]any)
			key, value, effect := find(t, "key"), find(t, "value"), find(t, "effect")
			if key == "" || strings.HasPrefix(key, "node.kubernetes.io/") && key != "node.kubernetes.io/out-of-service" {
				continue
			}
			out[key+":"+effect] = key + "=" + value + ":" + effect
		}
		return out
	}
	now, before := list(s), map[string]string{}
	for i := range w.steps {
		b := &w.steps[i]
		if b.Do == rundir.DoRequest && b.Request.Verb == "update" && b.Request.Resource == "nodes" && b.Request.Name == s.Request.Name && b.T < s.T {
			before = list(b)
		}
	}
	for _, key := range sortedKeys(now) {
		if before[key] == "" {
			w.line("happened %s", single("taint "+now[key]))
			w.line("kc taint node %s %s%s", w.object(s.Request), single(now[key]), took(s))
			w.line("tainted=\"$tainted %s\"", escape(key))
		}
	}
	for _, key := range sortedKeys(before) {
		if now[key] == "" {
			w.line("kc taint node %s %s%s", w.object(s.Request), single(key+"-"), took(s))
		}
	}
}
