package executor

import (
	"bytes"

	"github.com/nfsim/nfsim/pkg/agent/proto"
	"github.com/nfsim/nfsim/pkg/payload"
)

// logView follows a growing log: it decodes from where the last sound record
// ended.
type logView struct {
	offset  int64
	records int64
	last    payload.Record
}

// take decodes what was read at offset. Records that are cut or not there yet
// are looked at again the next time; until then the event names the gap.
func (v *logView) take(data []byte, ev *proto.Event) {
	base := v.offset
	scan := payload.NewScanner(bytes.NewReader(data), base)
	for scan.Scan() {
		item := scan.Item()
		if item.Kind != payload.RecordItem {
			ev.Gap, ev.Offset = item.Kind, item.Offset
			continue
		}
		ev.Gap, ev.Offset = "", 0
		v.records++
		v.last = item.Record
		v.offset = item.Offset + item.Len
	}
	ev.Client, ev.Seq, ev.Count, ev.Bytes = v.last.Client, v.last.Seq, v.records, v.offset
}
