package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commits lets groups commit their cursor one after another, over connections that each wait for the answer.
func commits(ctx context.Context, s *settings) error {
	broker, err := s.kafkaOnly()
	if err != nil {
		return err
	}
	if s.seconds == 0 {
		return usageError("--seconds sets the length of this story")
	}
	if s.groups < s.connections {
		return usageError("--groups is at least --connections: each connection has groups of its own")
	}
	if err := broker.create(ctx, s.topic); err != nil {
		return err
	}
	prefix := fresh(s.topic)
	id, node, err := broker.coordinator(ctx, s.topic, prefix)
	if err != nil {
		return err
	}
	var senders []*sending
	defer func() {
		for _, one := range senders {
			one.sender.close()
		}
	}()
	for first := range s.connections {
		client, err := broker.open()
		if err != nil {
			return err
		}
		one := &committer{client: client, node: node, topic: s.topic, id: id, prefix: prefix, at: first, step: s.connections, groups: s.groups}
		senders = append(senders, &sending{sender: one, found: newLatencies()})
		// Each group is there before anything is measured.
		for range s.groups / s.connections {
			if err := one.send(ctx, nil); err != nil {
				return err
			}
		}
	}
	return closedLoop(ctx, s, "commits", senders, 0)
}

// coordinator is the topic's id and the node that keeps the cursors: there is only one. A broker that has never kept any makes
// itself ready for it.
func (b *kafkaBroker) coordinator(ctx context.Context, topic, group string) (id [16]byte, node int32, err error) {
	err = b.admin(ctx, func(ctx context.Context, admin *kadm.Client) error {
		topics, err := admin.ListTopics(ctx, topic)
		if err != nil {
			return err
		}
		id = topics[topic].ID
		found := admin.FindGroupCoordinators(ctx, group)
		for ctx.Err() == nil && kerr.IsRetriable(found[group].Err) {
			pause(ctx, kafkaRetryPause)
			found = admin.FindGroupCoordinators(ctx, group)
		}
		node = found[group].NodeID
		return found[group].Err
	})
	return id, node, err
}

// committer commits for every step-th group in turn.
type committer struct {
	client           *kgo.Client
	node             int32
	topic            string
	id               [16]byte
	prefix           string
	at, step, groups int
	offset           int64
}

func (c *committer) send(ctx context.Context, _ []byte) error {
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group = fmt.Sprintf("%s-%d", c.prefix, c.at)
	request.Generation = -1
	partition := kmsg.NewOffsetCommitRequestTopicPartition()
	partition.Offset = c.offset
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic, topic.TopicID = c.topic, c.id
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	if c.at += c.step; c.at >= c.groups {
		c.at %= c.step
		c.offset++
	}
	for {
		answer, err := c.client.Broker(int(c.node)).Request(ctx, request)
		if err != nil {
			return err
		}
		err = committed(answer)
		// A coordinator that was just made is not ready for every group at once.
		if !kerr.IsRetriable(err) || ctx.Err() != nil {
			return err
		}
		pause(ctx, kafkaRetryPause)
	}
}

func committed(answer kmsg.Response) error {
	commit, is := answer.(*kmsg.OffsetCommitResponse)
	if !is || len(commit.Topics) != 1 || len(commit.Topics[0].Partitions) != 1 {
		return errors.New("the answer to a commit is of another shape")
	}
	return kerr.ErrorForCode(commit.Topics[0].Partitions[0].ErrorCode)
}

func (c *committer) share() sender { return c }
func (c *committer) close()        { c.client.Close() }
