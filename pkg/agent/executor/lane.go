package executor

import "sync"

// lanes runs the tasks of one lane in order and in one thread. A lane's thread
// ends when the lane is empty.
type lanes struct {
	mu   sync.Mutex
	work map[string][]*task // a key is there as long as its thread is
}

func newLanes() *lanes { return &lanes{work: map[string][]*task{}} }

// add queues a task; run does it.
func (l *lanes) add(t *task, run func(*task)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := t.req.Lane
	queue, busy := l.work[name]
	l.work[name] = append(queue, t)
	if !busy {
		go l.drain(name, run)
	}
}

func (l *lanes) drain(name string, run func(*task)) {
	for {
		l.mu.Lock()
		queue := l.work[name]
		if len(queue) == 0 {
			delete(l.work, name)
			l.mu.Unlock()
			return
		}
		next := queue[0]
		l.work[name] = queue[1:]
		l.mu.Unlock()
		run(next)
	}
}
