package main

import "context"

// A broker opens what the stories need, in the words of its own public client.
type broker interface {
	// client names the client and its version.
	client() string
	// create makes the topic unless it exists.
	create(ctx context.Context, topic string) error
	// held counts the records of a topic; one that does not exist holds none.
	held(ctx context.Context, topic string) (int, error)
	openSender(ctx context.Context, topic string) (sender, error)
	// openStream opens a producer that batches. Every value comes back to confirmed, from one goroutine at a time.
	openStream(ctx context.Context, topic string, confirmed func(value []byte, err error)) (stream, error)
	// openPaced opens a producer that sends each record at once.
	openPaced(ctx context.Context, topic string, confirmed func(value []byte, err error)) (stream, error)
	// openReader opens a reader of a whole topic; with a group's name, as its only member.
	openReader(ctx context.Context, topic string, from start, group string) (reader, error)
}

// start is where a reader begins.
type start int

const (
	fromFirst start = iota
	fromEnd
)

// A sender sends one record and returns when the broker has confirmed it. Each goroutine has one of its own.
type sender interface {
	send(ctx context.Context, value []byte) error
	// share makes another sender over the same connection.
	share() sender
	close()
}

// A stream sends records as fast as they are confirmed.
type stream interface {
	// put blocks while too much is unconfirmed. The value must not change before it comes back.
	put(ctx context.Context, value []byte)
	// flush returns when everything has come back.
	flush(ctx context.Context) error
	close()
}

// A reader reads every record of a topic once and in order.
type reader interface {
	// ready returns when nothing more than reading is to be done: partitions known, and group joined.
	ready(ctx context.Context) error
	// read waits for records. With see, it is shown each value, which it must not keep.
	read(ctx context.Context, see func(value []byte)) (readings, error)
	close()
}

// readings is what came in one go.
type readings struct {
	records int
	// Records out of their order, and batches that begin with a value of another length than was asked for.
	faults int
}
