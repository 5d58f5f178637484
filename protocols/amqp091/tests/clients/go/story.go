// Tells the story of tests/wire/README.md with amqp091-go: `go run story.go PORT`.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func check(is bool, what string) {
	if !is {
		panic(what)
	}
}

var everything = amqp.Publishing{
	ContentType:     "application/json",
	ContentEncoding: "utf-8",
	Headers: amqp.Table{
		"true":    true,
		"byte":    byte(200),
		"int8":    int8(-1),
		"int16":   int16(-2),
		"int32":   int32(-3),
		"int64":   int64(-4),
		"float":   float32(1.5),
		"double":  2.5,
		"text":    "grün",
		"bytes":   []byte{0, 255},
		"decimal": amqp.Decimal{Scale: 2, Value: 314},
		"time":    time.Unix(1_700_000_000, 0),
		"none":    nil,
		"list":    []interface{}{int32(1), "two"},
		"table":   amqp.Table{"in": amqp.Table{"in": "in"}},
	},
	DeliveryMode:  amqp.Persistent,
	Priority:      9,
	CorrelationId: "c-1",
	ReplyTo:       "amq.rabbitmq.reply-to",
	Expiration:    "60000",
	MessageId:     "m-1",
	Timestamp:     time.Unix(1_700_000_000, 0),
	Type:          "order",
	UserId:        "guest",
	AppId:         "story",
	Body:          []byte("the body"),
}

func main() {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName("a story")
	config := amqp.Config{Heartbeat: 30 * time.Second, Properties: properties}
	connection, err := amqp.DialConfig("amqp://guest:guest@127.0.0.1:"+os.Args[1], config)
	must(err)
	channel, err := connection.Channel()
	must(err)
	name := topology(channel)
	must(channel.Qos(10, 0, false))
	must(channel.Confirm(false))
	publish(channel)
	consume(channel)
	transaction(connection, name)
	must(channel.ExchangeDelete("orders", true, false))
	must(channel.Close())
	must(connection.UpdateSecret("new secret", "it was time"))
	must(connection.Close())
}

func topology(channel *amqp.Channel) string {
	must(channel.ExchangeDeclare("orders", "topic", true, false, false, false, amqp.Table{"alternate-exchange": "rest"}))
	must(channel.ExchangeDeclare("rest", "fanout", false, true, true, true, nil))
	must(channel.ExchangeBind("rest", "a.*", "orders", false, amqp.Table{"x-match": "any"}))
	must(channel.ExchangeUnbind("rest", "a.*", "orders", false, nil))
	_, err := channel.QueueDeclarePassive("stock", false, false, false, false, nil)
	must(err)
	temporary, err := channel.QueueDeclare("", false, false, true, false, nil)
	must(err)
	_, err = channel.QueueDeclare("orders", true, false, false, false, amqp.Table{
		amqp.QueueTypeArg:            amqp.QueueTypeQuorum,
		amqp.QueueMessageTTLArg:      60_000,
		amqp.QueueMaxLenArg:          int64(1_000_000_000_000),
		amqp.SingleActiveConsumerArg: true,
		"x-dead-letter-exchange":     "dead",
	})
	must(err)
	must(channel.QueueBind("orders", "a.#", "orders", false, amqp.Table{"x-match": "all", "region": "eu"}))
	must(channel.QueueUnbind("orders", "b.#", "orders", nil))
	_, err = channel.QueuePurge("stock", false)
	must(err)
	_, err = channel.QueueDelete("stock", true, true, false)
	must(err)
	return temporary.Name
}

func publish(channel *amqp.Channel) {
	returned := channel.NotifyReturn(make(chan amqp.Return, 1))
	one := func(exchange, key string, mandatory bool, message amqp.Publishing) {
		confirm, err := channel.PublishWithDeferredConfirmWithContext(context.Background(), exchange, key, mandatory, false, message)
		must(err)
		check(confirm.Wait(), "it was not confirmed")
	}
	empty := everything
	empty.Body = nil
	one("orders", "a.b", false, empty)
	one("orders", "a.b", false, amqp.Publishing{Body: bytes.Repeat([]byte("x"), 9_000)})
	one("", "nowhere", true, amqp.Publishing{Body: []byte("back")})
	check(string((<-returned).Body) == "back", "another came back")
	one("", "orders", false, everything)
}

func consume(channel *amqp.Channel) {
	got, there, err := channel.Get("orders", false)
	must(err)
	check(there && got.Headers["text"] == "grün" && string(got.Body) == "the body", "it is another")
	must(got.Ack(false))
	_, there, err = channel.Get("empty", true)
	must(err)
	check(!there, "it is not empty")
	deliveries, err := channel.Consume("orders", "the-consumer", false, true, false, false, amqp.Table{"x-priority": 5})
	must(err)
	must((<-deliveries).Ack(false))
	must((<-deliveries).Nack(true, false))
	last := <-deliveries
	check(fmt.Sprint(last.Headers) == fmt.Sprint(got.Headers), "it has other headers")
	must(last.Reject(true))
	must(channel.Cancel("the-consumer", false))
	//nolint:staticcheck // What others still use is told too.
	must(channel.Recover(true))
}

func transaction(connection *amqp.Connection, name string) {
	channel, err := connection.Channel()
	must(err)
	must(channel.Tx())
	must(channel.PublishWithContext(context.Background(), "", name, false, false, amqp.Publishing{Body: []byte("in a transaction")}))
	must(channel.TxCommit())
	must(channel.TxRollback())
	must(channel.Close())
}
