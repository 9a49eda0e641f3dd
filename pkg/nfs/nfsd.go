package nfs

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// NFSD is what the kernel's server counts since it was loaded
// (/proc/net/rpc/nfsd, fs/nfsd/stats.c).
type NFSD struct {
	Calls, BadCalls uint64            // RPC calls, and those that were refused
	BytesRead       uint64            // from disk or cache, for clients
	BytesWritten    uint64            // for clients
	TCPConnections  uint64            // accepted
	Proc3           map[string]uint64 // NFSv3 procedures, RFC 1813
	Ops4            map[string]uint64 // NFSv4 operations within compounds, RFC 7530, 8881, 7862
}

// proc3Names are the procedures of NFSv3 by number (RFC 1813, section 3.3).
var proc3Names = [...]string{
	"NULL", "GETATTR", "SETATTR", "LOOKUP", "ACCESS", "READLINK", "READ", "WRITE", "CREATE", "MKDIR", "SYMLINK", "MKNOD",
	"REMOVE", "RMDIR", "RENAME", "LINK", "READDIR", "READDIRPLUS", "FSSTAT", "FSINFO", "PATHCONF", "COMMIT",
}

// op4Names are the operations of NFSv4 by number, from 3 on (RFC 7530, section
// 16, RFC 8881, section 18, RFC 7862, section 15).
var op4Names = [...]string{
	3: "ACCESS", 4: "CLOSE", 5: "COMMIT", 6: "CREATE", 7: "DELEGPURGE", 8: "DELEGRETURN", 9: "GETATTR", 10: "GETFH",
	11: "LINK", 12: "LOCK", 13: "LOCKT", 14: "LOCKU", 15: "LOOKUP", 16: "LOOKUPP", 17: "NVERIFY", 18: "OPEN",
	19: "OPENATTR", 20: "OPEN_CONFIRM", 21: "OPEN_DOWNGRADE", 22: "PUTFH", 23: "PUTPUBFH", 24: "PUTROOTFH", 25: "READ",
	26: "READDIR", 27: "READLINK", 28: "REMOVE", 29: "RENAME", 30: "RENEW", 31: "RESTOREFH", 32: "SAVEFH", 33: "SECINFO",
	34: "SETATTR", 35: "SETCLIENTID", 36: "SETCLIENTID_CONFIRM", 37: "VERIFY", 38: "WRITE", 39: "RELEASE_LOCKOWNER",
	40: "BACKCHANNEL_CTL", 41: "BIND_CONN_TO_SESSION", 42: "EXCHANGE_ID", 43: "CREATE_SESSION", 44: "DESTROY_SESSION",
	45: "FREE_STATEID", 46: "GET_DIR_DELEGATION", 47: "GETDEVICEINFO", 48: "GETDEVICELIST", 49: "LAYOUTCOMMIT",
	50: "LAYOUTGET", 51: "LAYOUTRETURN", 52: "SECINFO_NO_NAME", 53: "SEQUENCE", 54: "SET_SSV", 55: "TEST_STATEID",
	56: "WANT_DELEGATION", 57: "DESTROY_CLIENTID", 58: "RECLAIM_COMPLETE", 59: "ALLOCATE", 60: "COPY", 61: "COPY_NOTIFY",
	62: "DEALLOCATE", 63: "IO_ADVISE", 64: "LAYOUTERROR", 65: "LAYOUTSTATS", 66: "OFFLOAD_CANCEL", 67: "OFFLOAD_STATUS",
	68: "READ_PLUS", 69: "SEEK", 70: "WRITE_SAME", 71: "CLONE", 72: "GETXATTR", 73: "SETXATTR", 74: "LISTXATTRS", 75: "REMOVEXATTR",
}

// ParseNFSD reads /proc/net/rpc/nfsd. Lines that it does not know are passed over.
func ParseNFSD(r io.Reader) (NFSD, error) {
	s := NFSD{Proc3: map[string]uint64{}, Ops4: map[string]uint64{}}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, maxStatsLine)
	for sc.Scan() {
		key, value, _ := strings.Cut(strings.TrimSpace(sc.Text()), " ")
		least := map[string]int{"io": 2, "net": 4, "rpc": 2, "proc3": 1, "proc4ops": 1}[key]
		if least == 0 {
			continue
		}
		n, err := counters(value, least)
		if err != nil {
			return NFSD{}, fmt.Errorf("parse nfsd statistics: line %q: %w", sc.Text(), err)
		}
		switch key {
		case "io":
			s.BytesRead, s.BytesWritten = n[0], n[1]
		case "net":
			s.TCPConnections = n[3]
		case "rpc":
			s.Calls, s.BadCalls = n[0], n[1]
		case "proc3": // the first number is how many follow
			name(s.Proc3, n[1:], proc3Names[:])
		case "proc4ops":
			name(s.Ops4, n[1:], op4Names[:])
		}
	}
	if err := sc.Err(); err != nil {
		return NFSD{}, fmt.Errorf("parse nfsd statistics: %w", err)
	}
	return s, nil
}

// name puts counts above zero under their names; a number without a name
// stands for itself.
func name(into map[string]uint64, counts []uint64, names []string) {
	for i, n := range counts {
		if n == 0 {
			continue
		}
		key := "op" + strconv.Itoa(i)
		if i < len(names) && names[i] != "" {
			key = names[i]
		}
		into[key] = n
	}
}

// NFSDClient is one NFSv4 client as the server knows it
// (/proc/fs/nfsd/clients/N/info, fs/nfsd/nfs4state.c).
type NFSDClient struct {
	ID       string // clientid, hexadecimal
	Address  string // with port
	Status   string // confirmed, unconfirmed, courtesy, expirable
	Name     string // as the client calls itself: two machines of one name steal each other's lease
	Minor    int    // minor version
	Callback string // state of the callback channel; empty when not shown
}

// ParseNFSDClient reads one info file: lines of "key: value", some quoted.
func ParseNFSDClient(text string) (NFSDClient, error) {
	var c NFSDClient
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		if unquoted, err := strconv.Unquote(value); err == nil {
			value = unquoted
		}
		switch key {
		case "clientid":
			c.ID = value
		case "address":
			c.Address = value
		case "status":
			c.Status = value
		case "name":
			c.Name = value
		case "callback state":
			c.Callback = value
		case "minor version":
			n, err := strconv.Atoi(value)
			if err != nil {
				return c, fmt.Errorf("parse nfsd client: minor version %q: %w", value, err)
			}
			c.Minor = n
		}
	}
	if c.ID == "" {
		return c, fmt.Errorf("parse nfsd client: no clientid in %q", text)
	}
	return c, nil
}
