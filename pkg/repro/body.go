package repro

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nfsim/nfsim/pkg/rundir"
)

// body writes the steps, up to where the trial put things back: the script does
// that by itself, also when it fails.
func (w *writer) body(observations []rundir.Observation) {
	steps := w.inOrder()
	for i := range steps {
		if steps[i].Do == rundir.DoTeardown {
			break
		}
		w.step(&steps[i], steps[i+1:])
	}
	for _, h := range sortedKeys(w.pending) {
		w.line("wait \"$%s\" || :", w.pending[h])
	}
	w.saw(observations)
}

// inOrder are the steps in the order in which one hand can do them: what is
// awaited comes when it came, beside other things perhaps, and all else when it
// was begun.
func (w *writer) inOrder() []rundir.Step {
	when := func(s *rundir.Step) int64 {
		if s.Do == rundir.DoAwait && s.End > 0 {
			return s.End
		}
		return s.T
	}
	steps := slices.Clone(w.steps)
	slices.SortStableFunc(steps, func(a, b rundir.Step) int {
		x, y := when(&a), when(&b)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return steps
}

// step writes one step; rest are those after it.
func (w *writer) step(s *rundir.Step, rest []rundir.Step) {
	switch s.Do {
	case rundir.DoPhase:
		if strings.HasPrefix(s.Name, "connect agents") || strings.HasPrefix(s.Name, "paused") {
			return
		}
		w.line("\nsay %s # at %s of the trial", single("== "+s.Name), w.at(s.T))
	case rundir.DoExport:
		w.export(s)
	case rundir.DoMount:
		w.mount(s)
	case rundir.DoUnmount:
		w.line("unmount %s %s", w.role(s.Machine), w.word(s.Path))
	case rundir.DoRequest:
		w.request(s)
	case rundir.DoInject:
		w.inject(s)
	case rundir.DoHeal:
		w.heal(s)
	case rundir.DoPod:
		w.found(s)
	case rundir.DoAppend:
		w.append(s)
	case rundir.DoPoll:
		w.poll(s)
	case rundir.DoWatch:
		w.watch(s)
	case rundir.DoStop:
		w.stop(s)
	case rundir.DoAwait:
		w.await(s, rest)
	case rundir.DoWait:
		w.line("sleep %g", float64(s.WithinNS)/1e9)
	case rundir.DoCall:
		w.call(s, rest)
	case rundir.DoTeardown:
	}
}

// orSo lets the script go on after what the trial did not see either.
func orSo(s *rundir.Step) string {
	if s.Error != "" {
		return " || :"
	}
	return ""
}

func (w *writer) export(s *rundir.Step) {
	script := fmt.Sprintf(`mkdir -p %[1]s /etc/exports.d
echo "%[1]s *(%[2]s,fsid=$(cat /proc/sys/kernel/random/uuid))" >>/etc/exports.d/nfs-repro.exports
exportfs -a`, bare(s.Path), plainList(s.Options))
	w.line("\nsay '== export'")
	dir, _ := w.expand(bare(s.Path))
	w.line("exported=\"$exported %s\"", dir)
	w.line("on SERVER %s", w.script(script))
}

// plainList keeps of a list the items that need no quotes, as those of export
// options do not.
func plainList(list string) string {
	items := slices.DeleteFunc(strings.Split(list, ","), func(item string) bool { return !plain.MatchString(item) })
	return strings.Join(items, ",")
}

func (w *writer) mount(s *rundir.Step) {
	role := w.role(s.Machine)
	options := ""
	if s.Options != "" {
		options = "-o " + single(s.Options) + " "
	}
	w.mounts = append(w.mounts, [2]string{role, s.Path})
	w.line("on %s %s%s%s", role, w.script(fmt.Sprintf("mkdir -p %[1]s && timeout -k 2 %[2]d mount -t nfs %[3]s%[4]s %[1]s", quote(s.Path), within(s.WithinNS), options, quote(s.Source))), orSo(s), took(s))
	w.line("show %s %s", role, w.script("grep -F "+quote(" "+s.Path+" ")+" /proc/1/mountinfo"))
}

func (w *writer) inject(s *rundir.Step) {
	w.marks["fault "+s.Name+" on "+w.role(s.Machine)] = s.T
	role := w.role(s.Machine)
	switch {
	case s.Script == "" && s.Name == "reset":
		w.line("reset_machine %s %d%s", role, within(s.WithinNS), took(s))
	case s.Script == "":
		w.line("by_hand %s%s", single("do fault "+s.Name+", which is seen on "+role+": it was done from outside of the machines"), took(s))
		w.line("await %d %s on %s %s%s", within(s.WithinNS), single("fault "+s.Name+" is in effect"), role, w.script(s.Proof), orSo(s))
	default:
		w.line("broken %s %s %d \\\n\t%s \\\n\t%s \\\n\t%s%s%s", role, single(s.Name), within(s.WithinNS), w.script(s.Script), w.script(s.Proof), w.script(w.undoOf(s)), orSo(s), took(s))
	}
}

// undoOf is the undo of an injected fault: that of its next healing.
func (w *writer) undoOf(s *rundir.Step) string {
	for i := range w.steps {
		h := &w.steps[i]
		if h.Do == rundir.DoHeal && h.Name == s.Name && h.Machine == s.Machine && h.T >= s.T {
			return h.Script
		}
	}
	return ":"
}

func (w *writer) heal(s *rundir.Step) {
	role := w.role(s.Machine)
	w.marks["fault "+s.Name+" on "+role+" undone"] = s.End
	switch {
	case s.Script == "" && s.Proof == "":
	case s.Script == "":
		w.line("by_hand %s", single("undo fault "+s.Name+": it was undone from outside of the machines"))
		w.line("await %d %s on %s %s%s%s", within(s.WithinNS), single("fault "+s.Name+" is over"), role, w.script(s.Proof), orSo(s), took(s))
	default:
		w.line("mended %s %s %d \\\n\t%s \\\n\t%s%s%s", role, single(s.Name), within(s.WithinNS), w.script(s.Script), w.script(s.Proof), orSo(s), took(s))
	}
}

// pod is the pod's name as a word: that of a controller's pod is found out.
func (w *writer) pod(name string) string { return w.word(name) }

// found writes how a pod's container is found on its node.
func (w *writer) found(s *rundir.Step) {
	n, role := w.pods[s.Name], w.role(s.Machine)
	name := w.pod(s.Name)
	w.line("POD_UID_%d=$(kc -n \"$NS\" get pod %s -o 'jsonpath={.metadata.uid}')", n, name)
	w.line("CONTAINER_%d=$(container %s)", n, name)
	w.line("PROC_%d=/proc/$(on %s %s)/", n, role, w.script("cat "+quote(s.Pod.PIDFile)))
	if s.Pod.HostMount == "" {
		w.comment("on %s the volume of pod %s was not mounted then", s.Machine, s.Name)
		return
	}
	w.line("HOST_%d=$(on %s %s)", n, role, w.script("awk -v below="+quote(s.Pod.Dir+"/")+" 'index($5, below) == 1 && / - nfs/ {print $5; exit}' /proc/1/mountinfo"))
	w.line("say \"pod %s: UID $POD_UID_%d, container $CONTAINER_%d, process $PROC_%d\"", strings.Trim(name, `"'`), n, n, n)
	w.line("show %s %s", role, w.script("grep -F "+quote(" "+s.Pod.HostMount+" ")+" /proc/1/mountinfo"))
}

// append notes a pod's writer, which is in its manifest, or starts another one.
func (w *writer) append(s *rundir.Step) {
	if s.In != "" {
		w.streams[s.Stream] = stream{kind: s.Do, file: w.inExport(s), who: bare(s.Name)}
		w.comment("from here on pod %s appends its records to %s", s.In, s.Path)
		return
	}
	name := w.unique("append " + s.Name + " " + path.Base(s.Path))
	st := stream{name: name, kind: s.Do, file: w.inExport(s), who: bare(s.Name), role: w.role(s.Machine)}
	w.streams[s.Stream] = st
	operands := map[string]string{
		"fsync": "oflag=append conv=notrunc,fsync", "fdatasync": "oflag=append conv=notrunc,fdatasync",
		"osync": "oflag=append,sync conv=notrunc", "close": "oflag=append conv=notrunc",
	}[s.Options]
	if operands == "" { // nothing is flushed: the file stays open
		operands = "held"
	}
	w.line("appender %s %s %s %s %g %d %s", name, st.role, bare(s.Name), w.word(s.Path), float64(s.EveryNS)/1e9, s.Count, operands)
}

// inExport is where the file of an append lies on the server, as a word.
func (w *writer) inExport(s *rundir.Step) string {
	for i := range w.steps {
		if e := &w.steps[i]; e.Do == rundir.DoExport { // the first is the cell's own
			return w.word(e.Path + "/" + s.Source)
		}
	}
	return w.word(s.Path)
}

func (w *writer) poll(s *rundir.Step) {
	st := stream{kind: s.Do, role: w.role(s.Machine)}
	every := max(float64(s.EveryNS)/1e9, 0.05)
	if s.Options == "tail" {
		st.name = w.unique("last " + path.Base(s.Path))
		w.line("follow %s %s", st.name, w.word(s.Path))
		w.streams[s.Stream] = st
		return
	}
	st.name = w.unique(s.Options + " " + path.Base(s.Path))
	w.streams[s.Stream] = st
	look := ""
	switch s.Options {
	case "stat":
		look = "stat -c '%s bytes' " + quote(s.Path)
	case "reopen":
		look = "head -c 200 " + quote(s.Path)
	case "locked":
		look = "flock -s " + quote(s.Path) + " head -c 200 " + quote(s.Path)
	case "lookup":
		look = "ls -d " + quote(s.Path)
	case "readdir":
		look = "ls " + quote(s.Path) + ` | tr '\n' ' '`
	default:
		flags := map[string]string{"read_held_rw": "rdwr", "direct": "rdonly direct"}[s.Options]
		if flags == "" {
			flags = "rdonly"
		}
		w.line("poll_held %s %s %g %s %s", st.name, st.role, every, w.word(s.Path), flags)
		return
	}
	w.line("poll %s %s %g %s", st.name, st.role, every, w.script(look))
}

func (w *writer) watch(s *rundir.Step) {
	n := w.pods[s.In]
	test := ""
	switch {
	case s.Options == "mounts":
		test = "grep -qF " + quote(" "+s.Path+" ") + " /proc/1/mountinfo"
	case s.Path != "":
		test = "[ -e " + quote(s.Path) + " ]"
	case n > 0:
		w.streams[s.Stream] = stream{name: w.unique(s.Name + " " + s.In), kind: s.Do}
		w.line("watch %s %s \"[ -e $PROC_%d ]\"", w.streams[s.Stream].name, w.role(s.Machine), n)
		return
	default:
		w.comment("watched for on %s: %s of pod %s", s.Machine, s.Name, s.In)
		return
	}
	w.streams[s.Stream] = stream{name: w.unique(s.Name + " " + s.In), kind: s.Do}
	w.line("watch %s %s %s", w.streams[s.Stream].name, w.role(s.Machine), w.script(test))
}

func (w *writer) stop(s *rundir.Step) {
	st, ok := w.streams[s.Stream]
	if !ok || st.name == "" || st.kind == rundir.DoWatch {
		return
	}
	w.line("stop %s", st.name)
}

// await writes what was waited for.
func (w *writer) await(s *rundir.Step, rest []rundir.Step) {
	limit := within(s.WithinNS)
	if s.WithinNS == 0 {
		limit = within(2 * (s.End - s.T))
	}
	if s.Stream != "" {
		w.awaitStream(s, limit)
		return
	}
	role, pod, node := w.role(s.Machine), w.pod(s.In), "\"$NODE_"+w.role(s.Machine)+"\""
	wait := func(what, command string) {
		w.line("await %d %s %s || :%s", limit, single(what), command, took(s))
	}
	switch s.Name {
	case "pod-running":
		command := "pod_is " + pod + " Running"
		if next := nextPod(rest, s.In); next != nil && next.Pod.Previous != "" {
			command = "another_container " + pod + " " + w.word(next.Pod.Previous)
		}
		w.line("await %d %s %s%s%s", limit, single("pod "+s.In+" runs"), command, orSo(s), took(s))
	case "pod-placed":
		w.line("await %d %s has_pod %s%s%s", limit, single("a pod of "+s.In+" is on a node"), single(s.In), orSo(s), took(s))
		w.place(s.In, rest)
	case "pod-terminating":
		wait("pod "+s.In+" is to go", "terminating "+pod)
	case "process-told":
		wait("the process of pod "+s.In+" is told to end", "told "+pod)
	case "api-gone":
		w.line("came %d %s not_in_api pod %s%s", limit, single("api-gone "+s.In), pod, took(s))
	case "kubelet-healthy":
		w.line("came %d kubelet-healthy kc get --raw \"/api/v1/nodes/$NODE_%s/proxy/healthz\"%s", limit, role, took(s))
	case "node-ready":
		w.line("node_back %d %s%s", limit, node, took(s))
	case "node-not-ready":
		wait("the node is not Ready", "node_not_ready "+node)
	default:
		if st, ok := w.watched(s.Name, s.In); ok {
			wait(s.Name+" of pod "+s.In, "over "+st.name)
			return
		}
		w.comment("waited here for %s %s %s", s.Name, s.Machine, s.In)
	}
}

// watched is the watch for an event of a pod.
func (w *writer) watched(event, pod string) (stream, bool) {
	for _, s := range w.steps {
		if s.Do == rundir.DoWatch && s.Name == event && s.In == pod {
			st, ok := w.streams[s.Stream]
			return st, ok
		}
	}
	return stream{}, false
}

// nextPod is where a pod is found next.
func nextPod(rest []rundir.Step, name string) *rundir.Step {
	for i := range rest {
		if rest[i].Do == rundir.DoPod && rest[i].Name == name {
			return &rest[i]
		}
	}
	return nil
}

// place names the pod that a controller has now.
func (w *writer) place(controller string, rest []rundir.Step) {
	for i := range rest {
		s := &rest[i]
		if s.Do != rundir.DoPod || !strings.HasPrefix(s.Name, controller+"-") {
			continue
		}
		name := fmt.Sprintf("POD_%d", w.pods[s.Name])
		w.line("%s=$(pod_of %s)", name, single(controller))
		w.let(s.Name, name, true)
		return
	}
}

func (w *writer) awaitStream(s *rundir.Step, limit int64) {
	st, ok := w.streams[s.Stream]
	switch {
	case !ok || s.Count == 0 || strings.HasPrefix(st.name, "last_"):
	case st.kind == rundir.DoAppend:
		w.line("more_records %d %d %s %s%s%s", limit, s.Count, single(st.who), st.file, orSo(s), took(s))
	case s.Name == "change":
		w.line("another %d %s%s%s", limit, st.name, orSo(s), took(s))
	default:
		w.line("more_rounds %d %d %s%s%s", limit, s.Count, st.name, orSo(s), took(s))
	}
}
