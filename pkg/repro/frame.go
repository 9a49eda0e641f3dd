package repro

import (
	_ "embed" // the shell library
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nfsim/nfsim/pkg/rundir"
)

//go:embed lib.sh
var library string

//go:embed handle.pl
var handlePerl string

// machine is the name of the machine in a role.
func (w *writer) machine(role string) string {
	for _, m := range sortedKeys(w.roles) {
		if w.roles[m] == role {
			return m
		}
	}
	return strings.ToLower(role)
}

// header is the top of the script: what it is, and what has to be set.
func (w *writer) header(out *strings.Builder, run rundir.RunMeta, print rundir.Fingerprint, v *rundir.Verdict, rel string) {
	say := func(format string, args ...any) {
		line := strings.TrimRight("# "+clean(fmt.Sprintf(format, args...)), " ")
		out.WriteString(line + "\n")
	}
	out.WriteString("#!/bin/sh\n")
	say("%s with mount profile %s (%s), by hand.", strings.Replace(w.meta.Scenario, ".", "/", 1), w.meta.Profile, w.meta.Asked)
	say("")
	say("It repeats what nfsim %s did in run %s, %s, with kubectl and ssh. It breaks the machines on", run.NfsimVersion, run.ID, rel)
	say("purpose: read it, set the variables, and run it where nobody works. It puts back what it broke, also when it fails.")
	say("")
	for _, m := range sortedKeys(print) {
		var versions []string
		for _, what := range sortedKeys(print[m]) {
			if what == "boot_id" || what == "hostname" {
				continue
			}
			versions = append(versions, what+" "+print[m][what])
		}
		say("%s: %s", m, strings.Join(versions, ", "))
	}
	if w.meta.GrantedRaw != "" {
		say("mount options granted: %s", w.meta.GrantedRaw)
	}
	if v != nil {
		say("nfsim saw:")
		for _, o := range v.Outcomes {
			say("  %s: %s", o.Word, o.Evidence)
		}
		for _, m := range v.Modes {
			for _, o := range m.Outcomes {
				say("  %s: %s: %s", m.Mode, o.Word, o.Evidence)
			}
		}
	}
	for _, p := range w.meta.Pauses {
		say("It stood still for %.0f s before %s, for a person to look.", p.Lasted().Seconds(), p.Before)
	}
	out.WriteString("# shellcheck disable=SC2016 # what stands in single quotes is for the machines' own shells\nset -eu\n\n")
	config, reset := "", "echo no command cuts the power of"
	if run.Lab.Provider == "qemu" {
		name := ""
		if n := bare(run.Lab.Name); n != "" && n != "default" {
			name = " --name " + n
		}
		config, reset = " -F $(nfsim lab ssh-config"+name+")", "nfsim lab reset"+name
	}
	out.WriteString("# How to run a command as root on each machine: the NFS server; A, which is what breaks if a worker does; B, the other one.\n")
	for _, role := range []string{roleServer, roleA, roleB} {
		fmt.Fprintf(out, "SSH_%s=${SSH_%s:-ssh%s %s}\n", role, role, config, bare(w.machine(role)))
	}
	if strings.Contains(w.out.String(), "NODE_") || strings.Contains(w.out.String(), "reset_machine") {
		out.WriteString("# Their names as nodes of the cluster, or as RESET knows them.\n")
		for _, role := range []string{roleServer, roleA, roleB} {
			if w.uses("NODE_"+role) || w.uses("reset_machine") {
				fmt.Fprintf(out, "NODE_%s=${NODE_%s:-%s}\n", role, role, bare(w.machine(role)))
			}
		}
	}
	for _, v := range w.vars {
		if v.name == "SERVER_ADDR" {
			fmt.Fprintf(out, "# The NFS server's address, as the workers see it.\nSERVER_ADDR=${SERVER_ADDR:-%s}\n", bare(v.text))
		}
	}
	if w.uses("EXPORT") {
		out.WriteString("# A new directory on the server, which is exported; it is left there.\nEXPORT=${EXPORT:-/srv/nfs-repro-$$}\n")
	}
	for i, name := range w.mountPoints() {
		if i == 0 {
			out.WriteString("# Where it is mounted on the workers.\n")
		}
		fmt.Fprintf(out, "%s=${%s:-/mnt/nfs-repro%s}\n", name, name, strings.TrimPrefix(name, "MNT"))
	}
	if w.uses("kc") {
		out.WriteString("# KUBECONFIG is kubectl's own.\nKUBECTL=${KUBECTL:-kubectl}\nNS=${NS:-nfs-repro}\n")
	}
	if w.uses("IMAGE") {
		out.WriteString("# Any image with a shell and dd.\nIMAGE=${IMAGE:-busybox}\n")
	}
	if w.uses("reset_machine") {
		fmt.Fprintf(out, "# Cuts the power of the machine that is its last argument, and gives it back.\nRESET=${RESET:-%s}\n", reset)
	}
	out.WriteString("\n")
}

// uses says whether the body has a word.
func (w *writer) uses(word string) bool {
	return regexp.MustCompile(`\b` + regexp.QuoteMeta(word) + `\b`).MatchString(w.out.String())
}

var functionName = regexp.MustCompile(`(?m)^([a-z_]+)\(\) \{`)

// library is what the body, the end and each other use of lib.sh.
func (w *writer) library() string {
	blocks := strings.Split(strings.TrimSpace(library), "\n\n")
	names := make([]string, len(blocks))
	for i, b := range blocks {
		if m := functionName.FindStringSubmatch(b); m != nil {
			names[i] = m[1]
		}
	}
	wanted := map[string]bool{}
	var want func(text string)
	want = func(text string) {
		for i, name := range names {
			if !wanted[name] && regexp.MustCompile(`(^|[^A-Za-z0-9_$"./-])`+name+`($|[^A-Za-z0-9_=.(-])`).MatchString(text) {
				wanted[name] = true
				want(blocks[i])
			}
		}
	}
	want(w.out.String() + w.finish())
	var out strings.Builder
	out.WriteString("tmp=$(mktemp -d)\njobs=''\n")
	if wanted["on"] {
		out.WriteString("longest=3600 # s that anything in the background goes on\n")
	}
	if wanted["handle"] || wanted["poll_held"] {
		// Its single quotes are for the shell's.
		out.WriteString("handle_perl=" + quote(strings.TrimSpace(handlePerl)) + "\n")
	}
	out.WriteString("\n")
	for i, b := range blocks {
		if wanted[names[i]] {
			out.WriteString(b + "\n\n")
		}
	}
	out.WriteString(w.finish())
	out.WriteString("began=$(now)\ntrap finish EXIT\ntrap 'exit 130' INT TERM\n")
	return out.String()
}

// finish is the function that puts everything back.
func (w *writer) finish() string {
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&out, "\t"+format+"\n", args...) }
	out.WriteString("# finish puts back what this script changed, whatever came of it.\nfinish() {\n")
	line("trap '' EXIT INT TERM")
	line("set +e")
	line("say '== put back'")
	line(`for undo in "$tmp"/*.undo.*; do
		[ -e "$undo" ] || continue
		name=${undo##*/}
		on "${name%%%%.*}" "$(cat "$undo")"
	done`)
	line(`for started in "$tmp"/*.started; do
		[ ! -e "$started" ] || { name=${started##*/} && stop "${name%%.started}"; }
	done`)
	if w.uses("tainted") {
		line(`for taint in $tainted; do kc taint node "$NODE_A" "$taint-"; done`)
	}
	if w.uses("kc") {
		line(`kc delete namespace "$NS" --ignore-not-found --timeout=180s`)
		for i := range w.requests {
			if r := w.requests[i].Request; r.Resource != "namespaces" {
				line("kc delete %s %s --ignore-not-found --timeout=60s", w.kind(r), w.object(r))
			}
		}
	}
	line("for job in $jobs; do end \"$job\"; done")
	slices.Reverse(w.mounts)
	for _, m := range w.mounts {
		line("unmount %s %s", m[0], w.word(m[1]))
	}
	slices.Reverse(w.mounts)
	line(`if [ -n "$exported" ]; then
		on SERVER "mv /etc/exports.d/nfs-repro.exports /run/; for dir in $exported; do exportfs -u \"*:\$dir\"; done"
		say "what was written is left on the server:$exported"
	fi`)
	line(`rm -rf "$tmp"`)
	out.WriteString("}\n\nexported=''\n")
	if w.uses("tainted") {
		out.WriteString("tainted=''\n")
	}
	return out.String()
}

// events are the observations that the script sees too.
func events() []string {
	return []string{"host-unmounted", "subpath-unmounted", "writer-dead", "poddir-gone", "api-gone", "kubelet-healthy", "node-ready"}
}

// saw lists, to compare with, when things happened in the trial.
func (w *writer) saw(observations []rundir.Observation) {
	type moment struct {
		t    int64
		what string
	}
	var list []moment
	for what, t := range w.marks {
		list = append(list, moment{t, what})
	}
	last := map[string]rundir.Observation{}
	seen := map[string]bool{}
	for _, o := range observations {
		if what := o.Event + " " + o.Subject; slices.Contains(events(), o.Event) && !seen[what] {
			seen[what] = true
			list = append(list, moment{o.T, what})
		}
		if o.Event == "record-arrived" {
			last[o.Subject] = o
		}
	}
	for who, o := range last {
		list = append(list, moment{o.T, fmt.Sprintf("last record of %s on the server (number %s)", who, o.Value)})
	}
	slices.SortFunc(list, func(a, b moment) int {
		switch {
		case a.t < b.t:
			return -1
		case a.t > b.t:
			return 1
		}
		return strings.Compare(a.what, b.what)
	})
	w.line("\ncat \"$tmp\"/*.last >>\"$tmp/events\" 2>/dev/null || :")
	w.line("say 'what happened, by the time of this script in s:'")
	w.line("sort -n \"$tmp/events\" | awk -v began=\"$began\" '{t = $1 - began; $1 = \"\"; printf \"%%12.1f %%s\\n\", t, $0}'")
	if len(list) == 0 {
		return
	}
	w.line("say 'and what nfsim saw, by the time of its trial:'")
	w.line("cat <<'SEEN'")
	for _, m := range list {
		w.line("%12.1f  %s", float64(m.t-w.meta.StartedNS)/1e9, clean(m.what))
	}
	w.line("SEEN")
}
