package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// share lets the members of one share group work off a topic together, each over connections of its own. A poll accepts what the poll
// before it has brought, as share consumers do unless they are told otherwise.
func share(ctx context.Context, s *settings) error {
	broker, err := s.kafkaOnly()
	if err != nil {
		return err
	}
	if s.records == 0 {
		return usageError("--records says how many records the topic holds")
	}
	if _, err := fill(ctx, s, s.topic, s.records); err != nil {
		return err
	}
	if s.warmSeconds > 0 {
		if err := warmUpSharing(ctx, s, broker); err != nil {
			return err
		}
	}
	group, err := openShareGroup(ctx, s, broker)
	if err != nil {
		return err
	}
	defer group.close()
	window := s.out.begin("share")
	records, failed := group.workOff(ctx, s.records, s.window(), func() { window.end() })
	if err := group.failed(ctx, records); err != nil {
		return err
	}
	window.report(records, records*s.bytes, failed, nil,
		map[string]any{"members": s.connections, "again": int(group.again.Load()), "complete": records >= s.records})
	return nil
}

// warmUpSharing works the topic off in groups that nobody measures, one after the other.
func warmUpSharing(ctx context.Context, s *settings, broker *kafkaBroker) error {
	for end := now() + s.warm(); now() < end && ctx.Err() == nil; {
		group, err := openShareGroup(ctx, s, broker)
		if err != nil {
			return err
		}
		records, _ := group.workOff(ctx, s.records, end-now(), func() {})
		err = group.failed(ctx, records)
		group.close()
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// shareGroup is a group whose members have all joined.
type shareGroup struct {
	topic   string
	members []*kgo.Client
	// Records that came for the first time, that came again, and whose acceptance failed.
	had, again, refused atomic.Int64
	err                 atomic.Pointer[error]
}

// openShareGroup returns when every member has partitions, and has fetched nothing yet.
func openShareGroup(ctx context.Context, s *settings, broker *kafkaBroker) (*shareGroup, error) {
	g := &shareGroup{topic: s.topic}
	name := fresh(s.topic)
	if err := broker.shareFromStart(ctx, name); err != nil {
		return nil, err
	}
	for range s.connections {
		member, err := broker.open(
			kgo.ShareGroup(name),
			kgo.ConsumeTopics(s.topic),
			kgo.FetchMaxBytes(kafkaFetchBytesMax),
			kgo.FetchMaxPartitionBytes(kafkaFetchPartitionBytesMax),
			kgo.ShareAckCallback(g.acknowledged),
		)
		if err != nil {
			g.close()
			return nil, err
		}
		member.PauseFetchTopics(s.topic)
		g.members = append(g.members, member)
	}
	err := broker.admin(ctx, func(ctx context.Context, admin *kadm.Client) error {
		for {
			described, err := admin.DescribeShareGroups(ctx, name)
			if err == nil && haveJoined(described[name], s.connections) {
				return nil
			}
			if pause(ctx, kafkaRetryPause); ctx.Err() != nil {
				return fmt.Errorf("the members of the share group did not all join: %w", errors.Join(err, ctx.Err()))
			}
		}
	})
	if err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

func haveJoined(group kadm.DescribedShareGroup, members int) bool {
	joined := 0
	for _, member := range group.Members {
		if len(member.Assignment) > 0 {
			joined++
		}
	}
	return joined == members
}

// shareFromStart lets a share group, which would else see what comes from now on, begin at the start.
func (b *kafkaBroker) shareFromStart(ctx context.Context, group string) error {
	client, err := b.open()
	if err != nil {
		return err
	}
	defer client.Close()
	earliest := "earliest"
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Value = "share.auto.offset.reset", &earliest
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	resource.Configs = append(resource.Configs, config)
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Resources = append(request.Resources, resource)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if len(answer.Resources) != 1 {
		return errors.New("the answer to a setting is of another shape")
	}
	return kerr.ErrorForCode(answer.Resources[0].ErrorCode)
}

func (g *shareGroup) acknowledged(_ *kgo.Client, results kgo.ShareAckResults) {
	for _, result := range results {
		if result.Err != nil {
			g.refused.Add(1)
			g.err.CompareAndSwap(nil, &result.Err)
		}
	}
}

// workOff lets all members work until so many records came, or the time is over (0 is without limit), or nothing comes any more; that
// is the end that it tells. What the last polls brought is accepted behind it: a broker may answer that as late as it may an empty poll,
// which is half a second of waiting and no work. It counts acceptances that failed.
func (g *shareGroup) workOff(ctx context.Context, records int, length time.Duration, end func()) (had, failed int) {
	limited, stop := context.WithCancel(ctx)
	if length > 0 {
		limited, stop = context.WithTimeout(ctx, length)
	}
	defer stop()
	g.each(func(member *kgo.Client) {
		member.ResumeFetchTopics(g.topic)
		g.work(limited, stop, member, records)
	})
	end()
	g.each(func(member *kgo.Client) {
		if err := member.FlushAcks(ctx); err != nil {
			g.err.CompareAndSwap(nil, &err)
		}
	})
	return int(g.had.Load()), int(g.refused.Load())
}

func (g *shareGroup) each(do func(*kgo.Client)) {
	var running sync.WaitGroup
	for _, member := range g.members {
		running.Go(func() { do(member) })
	}
	running.Wait()
}

// work is one member's. The one that brings the last record stops all.
func (g *shareGroup) work(ctx context.Context, stop func(), member *kgo.Client, records int) {
	var last []*kgo.Record
	defer func() { member.MarkAcks(kgo.AckAccept, last...) }()
	for ctx.Err() == nil {
		waiting, done := context.WithTimeout(ctx, stalledAfter)
		fetches := member.PollFetches(waiting)
		stalled := waiting.Err() != nil && ctx.Err() == nil
		done()
		last = fetches.Records()
		first := 0
		for _, record := range last {
			if record.DeliveryCount() <= 1 {
				first++
			}
		}
		g.again.Add(int64(len(last) - first))
		if stalled || int(g.had.Add(int64(first))) >= records {
			stop()
		}
	}
}

// failed is an error only where nothing went well.
func (g *shareGroup) failed(ctx context.Context, records int) error {
	if err := g.err.Load(); err != nil && records == 0 {
		return *err
	}
	return ctx.Err()
}

func (g *shareGroup) close() { g.each((*kgo.Client).Close) }
