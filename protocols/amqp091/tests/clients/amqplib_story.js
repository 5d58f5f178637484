// Tells the story of tests/wire/README.md with amqplib: `node amqplib_story.js PORT`.
const amqp = require("amqplib");

const everything = {
  contentType: "application/json",
  contentEncoding: "utf-8",
  headers: {
    true: true,
    small: 7,
    long: -(2 ** 40),
    float: 3.5,
    text: "grün",
    bytes: Buffer.from([0, 255]),
    none: null,
    list: [1, [2, [3]]],
    table: { in: { in: "in" } },
    typed: { "!": "timestamp", value: 1700000000 },
    int16: { "!": "int16", value: -2 },
    decimal: { "!": "decimal", value: { places: 2, digits: 314 } },
  },
  deliveryMode: 2,
  priority: 9,
  correlationId: "c-1",
  replyTo: "amq.rabbitmq.reply-to",
  expiration: "60000",
  messageId: "m-1",
  timestamp: 1700000000,
  type: "order",
  userId: "guest",
  appId: "story",
};

async function story(port) {
  const connection = await amqp.connect(`amqp://guest:guest@127.0.0.1:${port}`, {
    clientProperties: { connection_name: "a story" },
  });
  const channel = await connection.createConfirmChannel();
  await channel.assertExchange("orders", "topic", { durable: true, alternateExchange: "rest" });
  await channel.assertExchange("rest", "fanout", { internal: true, autoDelete: true });
  await channel.bindExchange("rest", "orders", "a.*", { "x-match": "any" });
  await channel.unbindExchange("rest", "orders", "a.*");
  await channel.checkQueue("stock");
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.assertQueue("orders", {
    durable: true,
    messageTtl: 60000,
    maxLength: 1e12,
    deadLetterExchange: "dead",
    maxPriority: 10,
    arguments: { "x-queue-type": "quorum", "x-single-active-consumer": true },
  });
  await channel.bindQueue("orders", "orders", "a.#", { "x-match": "all", region: "eu" });
  await channel.unbindQueue("orders", "orders", "b.#");
  await channel.purgeQueue("stock");
  await channel.deleteQueue("stock", { ifUnused: true, ifEmpty: true });
  await channel.prefetch(10);
  const returned = new Promise((resolve) => channel.on("return", resolve));
  channel.publish("orders", "a.b", Buffer.alloc(0), everything);
  channel.publish("orders", "a.b", Buffer.alloc(9000, "x"));
  channel.publish("", "nowhere", Buffer.from("back"), { mandatory: true });
  channel.sendToQueue("orders", Buffer.from("the body"), everything);
  await channel.waitForConfirms();
  await returned;
  const got = await channel.get("orders");
  if (got.properties.headers.text !== "grün" || got.content.toString() !== "the body") throw new Error("another");
  channel.ack(got);
  if ((await channel.get("empty", { noAck: true })) !== false) throw new Error("it is not empty");
  let seen = 0;
  let third;
  const all = new Promise((resolve) => (third = resolve));
  const { consumerTag } = await channel.consume(
    "orders",
    (message) => {
      seen += 1;
      if (seen === 1) channel.ack(message);
      else if (seen === 2) channel.nack(message, true, false);
      else {
        channel.reject(message, true);
        third();
      }
    },
    { exclusive: true, priority: 5 },
  );
  await all;
  await channel.cancel(consumerTag);
  await channel.recover();
  const second = await connection.createChannel();
  second.publish("", queue, Buffer.from("not confirmed"), { persistent: true });
  await second.close();
  await channel.deleteExchange("orders", { ifUnused: true });
  await channel.close();
  await connection.updateSecret(Buffer.from("new secret"), "it was time");
  await connection.close();
}

story(process.argv[2]).catch((why) => {
  console.error(why);
  process.exit(1);
});
