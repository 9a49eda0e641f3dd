package executor

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nfsim/nfsim/pkg/agent/proto"
)

// start registers a stream and runs it.
func (a *Agent) start(_ *thread, req proto.Request) (proto.Response, error) {
	if req.Start == nil {
		return proto.Response{}, errors.New("start needs a start")
	}
	st, work, err := a.register(req)
	if err != nil {
		return proto.Response{}, err
	}
	st.run(work)
	return proto.Response{Stream: st.id}, nil
}

// register makes a stream that does not run yet.
func (a *Agent) register(req proto.Request) (*stream, runner, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := req.Stream
	for id == "" || req.Stream == "" && a.streams[id] != nil {
		a.lastID++
		id = fmt.Sprintf("s%d", a.lastID)
	}
	if a.streams[id] != nil {
		return nil, nil, fmt.Errorf("there is a stream %q already", id)
	}
	if len(a.streams) >= maxStreams && !a.forgetOldest() {
		return nil, nil, fmt.Errorf("more than %d streams", maxStreams)
	}
	st, err := newStream(id, *req.Start)
	if err != nil {
		return nil, nil, err
	}
	work, err := runnerOf(st)
	if err != nil {
		return nil, nil, err
	}
	a.streams[id] = st
	return st, work, nil
}

// forgetOldest makes room by dropping an ended stream; the caller holds mu.
func (a *Agent) forgetOldest() bool {
	var oldest string
	var ended int64
	for id, st := range a.streams {
		if end, ok := st.ended(); ok && (oldest == "" || end.T1 < ended) {
			oldest, ended = id, end.T1
		}
	}
	delete(a.streams, oldest)
	return oldest != ""
}

func (a *Agent) stream(id string) (*stream, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	st := a.streams[id]
	if st == nil {
		return nil, fmt.Errorf("no stream %q", id)
	}
	return st, nil
}

// stop ends a stream and waits for its last call. If that hangs, so does the
// request, and its evidence is the stream's.
func (a *Agent) stop(t *task) proto.Response {
	st, err := a.stream(t.req.Stream)
	if err != nil {
		return refuse(err)
	}
	t.watch(st.thread)
	st.halt()
	<-st.done
	end, _ := st.ended()
	return proto.Response{Stream: st.id, End: &end}
}

func (a *Agent) listStreams(*thread, proto.Request) (proto.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	resp := proto.Response{Streams: []proto.StreamInfo{}}
	for _, id := range slices.Sorted(maps.Keys(a.streams)) {
		st := a.streams[id]
		last, oldest := st.ring.bounds()
		info := proto.StreamInfo{Stream: id, Kind: st.spec.Kind, Client: st.spec.Client, Events: last, Oldest: oldest}
		if end, ok := st.ended(); ok {
			info.End = &end
		}
		resp.Streams = append(resp.Streams, info)
	}
	return resp, nil
}
