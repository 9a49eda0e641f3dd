package scenarios

import (
	"context"
	"sync"
)

// gather is Batch.each for something that f makes for each cell.
func gather[T any](ctx context.Context, b *Batch, what string, f func(ctx context.Context, c *Cell) (T, error)) (map[*Cell]T, error) {
	var mu sync.Mutex
	made := map[*Cell]T{}
	err := b.each(ctx, what, func(ctx context.Context, c *Cell) error {
		one, err := f(ctx, c)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		made[c] = one
		return nil
	})
	return made, err
}
