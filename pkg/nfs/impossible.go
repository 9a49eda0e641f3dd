package nfs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Impossible says why mount options cannot be what a profile asks for: they
// contradict each other, or the version that they name does not have them. It
// returns nil for options that can stand together, and no opinion on options
// that it does not know. Where no source is given, it is nfs(5).
func Impossible(options string) error {
	list, err := splitOptions(options)
	if err != nil {
		return err
	}
	return cmp.Or(contradiction(list), badValue(list), badVersion(list), badTransport(list))
}

// contradiction finds two options that decide one thing differently: mount(8)
// takes the last one silently, and a profile would not be what it reads like.
func contradiction(list []option) error {
	decided := map[string]option{} // trait -> the option that decided it
	for _, o := range list {
		trait, value := o.key, o.value
		if flag, ok := flagTraits[o.key]; ok && o.value == "" {
			trait, value = flag.key, flag.value
		} else if o.key == "nfsvers" {
			trait = "vers"
		}
		before, seen := decided[trait]
		if seen && before != (option{trait, value}) {
			return fmt.Errorf("%s and another option before it decide the same differently (mount(8) takes the last one)", o)
		}
		decided[trait] = option{trait, value}
	}
	for _, key := range []string{"actimeo", "acregmin", "acregmax", "acdirmin", "acdirmax"} {
		if o, ok := decided[key]; ok && decided["ac"].value == "no" && o.value != "0" {
			return fmt.Errorf("noac and %s: noac is attributes cached for 0 s (nfs(5), ac / noac)", o)
		}
	}
	return nil
}

func (o option) String() string {
	if o.value == "" {
		return o.key
	}
	return o.key + "=" + o.value
}

// numbers are the options with a number, and what it may be.
func numbers() map[string]struct{ least, most int } {
	return map[string]struct{ least, most int }{
		"timeo": {1, 1 << 30}, "retrans": {0, 1 << 30}, "nconnect": {1, 16}, "max_connect": {1, 16},
		"actimeo": {0, 1 << 30}, "acregmin": {0, 1 << 30}, "acregmax": {0, 1 << 30}, "acdirmin": {0, 1 << 30}, "acdirmax": {0, 1 << 30},
		"rsize": {1024, 1 << 30}, "wsize": {1024, 1 << 30}, "port": {0, 65535}, "minorversion": {0, 2},
	}
}

// choices are the options with a word, and the words.
func choices() map[string][]string {
	return map[string][]string{
		"vers": {"3", "4", "4.0", "4.1", "4.2"}, "nfsvers": {"3", "4", "4.0", "4.1", "4.2"},
		"proto":       {"tcp", "tcp6", "udp", "udp6", "rdma", "rdma6"},
		"lookupcache": {"all", "none", "pos", "positive"},
		"local_lock":  {"all", "flock", "posix", "none"},
		"write":       {"lazy", "eager", "wait"},
	}
}

func badValue(list []option) error {
	for _, o := range list {
		if bounds, ok := numbers()[o.key]; ok {
			if n, err := strconv.Atoi(o.value); err != nil || n < bounds.least || n > bounds.most {
				return fmt.Errorf("%s: want a number from %d to %d (nfs(5))", o, bounds.least, bounds.most)
			}
		}
		if words, ok := choices()[o.key]; ok && !slices.Contains(words, o.value) {
			return fmt.Errorf("%s: want one of %s (nfs(5))", o, strings.Join(words, ", "))
		}
	}
	return nil
}

// onlyWith3 are options that NFSv4 mounts drop, silently some of them.
func onlyWith3() []string {
	return []string{
		"lock", "nolock", "local_lock", "acl", "noacl", "mountport", "mountproto", "mountvers", "mounthost", "mountaddr",
		"udp", "namlen",
	}
}

// onlyWith4 are options that an NFSv3 mount does not take.
func onlyWith4() []string {
	return []string{"clientaddr", "minorversion", "migration", "nomigration", "trunkdiscovery", "notrunkdiscovery", "max_connect"}
}

// badVersion finds options that the version does not have.
func badVersion(list []option) error {
	version, minor := askedVersion(list)
	if minor != "" && strings.Contains(version, ".") {
		return fmt.Errorf("vers=%s and minorversion=%s: the version has its minor number (nfs(5), minorversion)", version, minor)
	}
	shown, foreign, why := "vers="+version, onlyWith3(), "nfs(5) has it under options for NFS versions 2 and 3 only, and the client drops it"
	switch version {
	case "":
		shown = "no vers, which means NFSv4.2,"
	case "3":
		foreign, why = onlyWith4(), "nfs(5) has it under options for NFS version 4 only"
	}
	for _, o := range list {
		switch {
		case slices.Contains(foreign, o.key):
			return fmt.Errorf("%s and %s: %s", shown, o, why)
		case version != "3" && o.key == "proto" && strings.HasPrefix(o.value, "udp"):
			return fmt.Errorf("%s and %s: NFSv4 does not run over UDP (RFC 7530, section 3.1; nfs(5), proto)", shown, o)
		case version == "4.0" && o.key == "max_connect":
			return fmt.Errorf("%s and %s: only NFSv4.1 and later have sessions to trunk (nfs(5), max_connect)", shown, o)
		}
	}
	return nil
}

// askedVersion is the version that options name, "" for none, and the minor
// version that they name apart.
func askedVersion(list []option) (version, minor string) {
	for _, o := range list {
		switch {
		case o.key == "vers" || o.key == "nfsvers":
			version = o.value
		case o.key == "minorversion":
			minor = o.value
		case flagTraits[o.key].key == "vers":
			version = flagTraits[o.key].value
		}
	}
	return version, minor
}

// badTransport finds what UDP does not have.
func badTransport(list []option) error {
	udp := slices.ContainsFunc(list, func(o option) bool {
		return o.key == "udp" || o.key == "proto" && strings.HasPrefix(o.value, "udp")
	})
	if many := last(list, "nconnect"); udp && many != "" && many != "1" {
		return fmt.Errorf("nconnect=%s over UDP: there are no connections to have more of (fs/nfs/client.c nfs_create_rpc_client)", many)
	}
	return nil
}

// unknownOptions are those that nfsim has no meaning for, sorted.
func unknownOptions(options string) []string {
	list, err := splitOptions(options)
	if err != nil {
		return nil
	}
	known := map[string]bool{}
	for _, key := range slices.Concat(vfsFlags, onlyWith3(), onlyWith4(), slices.Collect(maps.Keys(numbers())), slices.Collect(maps.Keys(choices()))) {
		known[key] = true
	}
	_, unknown := askedTraits(list)
	var out []string
	for _, o := range unknown {
		if !known[o.key] {
			out = append(out, o.String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
