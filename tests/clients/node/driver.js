// The stories of tests/src/suites/clients.rs with kafkajs.
"use strict";

const { randomBytes } = require("node:crypto");
const { fork } = require("node:child_process");
const { check, equal, killBroker, name, pause, waitUntil } = require("./harness.js");
const { CompressionTypes, Reader, commit, producer, read, topic, withAdmin } = require("./lib.js");

const START_MS = 1_700_000_000_000;

const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};

/** A batch or two in each answer, so that a story can stop in the middle. */
const SMALL_FETCHES = { maxBytesPerPartition: 2_000 };

const text = (value) => (value === null ? null : value.toString());
const numbers = (count, partitions, partition) =>
  Array.from({ length: count }, (_, i) => i)
    .filter((i) => i % partitions === partition)
    .map(String);
const values = (records, partition) =>
  records.filter((record) => record.partition === partition).map((record) => text(record.value));

/** Sends numbers from `from` on, spread over the partitions in turn, a few hundred in each request. */
async function sendNumbers(sender, to, partitions, count, { from = 0, chunk = 500, ...options } = {}) {
  for (let at = from; at < from + count; at += chunk) {
    const messages = [];
    for (let i = at; i < Math.min(at + chunk, from + count); i++) {
      messages.push({ partition: i % partitions, value: String(i) });
    }
    await sender.send({ topic: to, messages, ...options });
  }
}

// --- producing and consuming

async function roundtrip(codec) {
  const to = await topic("roundtrip");
  const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const keys = [null, Buffer.alloc(0), Buffer.from("key"), binary];
  const bodies = [null, Buffer.alloc(0), Buffer.from("value"), Buffer.from("long and compressible ".repeat(50))];
  // kafkajs hands two headers of one name over as an array, and has no header without a value.
  const headers = [
    {},
    { once: Buffer.from("1") },
    { twice: [Buffer.from("first"), Buffer.from("second")], empty: Buffer.alloc(0) },
    { "\u00fc\u6f22": binary },
  ];
  const sent = [];
  for (let i = 0; i < 300; i++) {
    sent.push({
      partition: 0,
      key: keys[i % 4],
      value: bodies[(i >> 2) % 4],
      headers: headers[(i >> 4) % 4],
      timestamp: String(START_MS + i * 10),
    });
  }
  const sender = await producer();
  for (let at = 0; at < sent.length; at += 100) {
    await sender.send({ topic: to, messages: sent.slice(at, at + 100), compression: CODECS[codec] });
  }
  const records = await read(to, sent.length);
  equal(records.length, sent.length, "records");
  records.forEach((record, i) => {
    const expected = sent[i];
    equal(record.offset, String(i), "offset");
    equal(record.key, expected.key, `key at offset ${i}`);
    equal(record.value, expected.value, `value at offset ${i}`);
    equal(record.headers, expected.headers, `headers at offset ${i}`);
    equal(record.timestamp, expected.timestamp, `timestamp at offset ${i}`);
  });
}

async function largeRecord() {
  const to = await topic("large");
  const sent = [Buffer.from("before"), randomBytes(5 << 20), Buffer.from("after")];
  const sender = await producer();
  for (const value of sent) {
    await sender.send({ topic: to, messages: [{ partition: 0, value }] });
  }
  const records = await read(to, 3);
  sent.forEach((value, i) => check(value.equals(records[i].value), `record ${i} came back changed`));
}

async function manySmall() {
  const to = await topic("many", 3);
  await sendNumbers(await producer(), to, 3, 20_000, { chunk: 1_000 });
  const records = await read(to, 20_000);
  for (let p = 0; p < 3; p++) {
    equal(values(records, p), numbers(20_000, 3, p), `partition ${p}`);
  }
}

async function acknowledged(acks) {
  const to = await topic("acks");
  await sendNumbers(await producer(), to, 1, 500, { acks, chunk: 50 });
  equal(values(await read(to, 500), 0), numbers(500, 1, 0), "values");
}

async function idempotent() {
  const to = await topic("idempotent");
  await sendNumbers(await producer({ idempotent: true }), to, 1, 5_000, { acks: -1, chunk: 50 });
  equal(values(await read(to, 5_000), 0), numbers(5_000, 1, 0), "values");
}

async function offsetsForTimes() {
  const to = await topic("times");
  const sender = await producer();
  for (let at = 0; at < 200; at += 20) {
    const messages = [];
    for (let i = at; i < at + 20; i++) {
      messages.push({ partition: 0, value: String(i), timestamp: String(START_MS + i * 1_000) });
    }
    await sender.send({ topic: to, messages });
  }
  await withAdmin(async (admin) => {
    // After the last record, this library gives the end instead of nothing.
    const expected = [[-5_000, 0], [0, 0], [100_000, 100], [100_001, 101], [199_000, 199], [199_001, 200]];
    for (const [after, offset] of expected) {
      const found = await admin.fetchTopicOffsetsByTimestamp(to, START_MS + after);
      equal(found, [{ partition: 0, offset: String(offset) }], `the offset for time start+${after} ms`);
    }
    const [ends] = await admin.fetchTopicOffsets(to);
    equal([ends.low, ends.high], ["0", "200"], "the first and the next offset");
  });
}

async function seek() {
  const to = await topic("seek");
  const sender = await producer();
  await sendNumbers(sender, to, 1, 300);
  let found = [];
  const reader = await Reader.start(to, name("group"), async (_, messages) => {
    found.push(...messages.map((message) => Number(message.offset)));
  });
  await waitUntil("all records are read", () => found.includes(299));
  for (const target of [250, 0]) {
    found = [];
    reader.consumer.seek({ topic: to, partition: 0, offset: String(target) });
    await waitUntil(`records come after a seek to ${target}`, () => found.includes(299));
    check(found.includes(target) && !found.includes(target - 1), `a seek to ${target} gave ${found[0]} first`);
  }
  await withAdmin(async (admin) => {
    await reader.stop();
    await admin.setOffsets({ groupId: name("group"), topic: to, partitions: [{ partition: 0, offset: "-1" }] });
    const [committed] = await admin.fetchOffsets({ groupId: name("group"), topics: [to], resolveOffsets: true });
    equal(committed.partitions[0].offset, "300", "the end as the group's offset");
  });
}

async function autoCreate() {
  const to = name("made-by-the-first-record");
  const sender = await producer({ allowAutoTopicCreation: true });
  await sender.send({ topic: to, messages: [{ value: "hello" }] });
  equal(values(await read(to, 1), 0), ["hello"], "values");
  check((await withAdmin((admin) => admin.listTopics())).includes(to), "the topic is not listed");
}

async function admin() {
  const to = name("admin");
  const wanted = { topic: to, numPartitions: 3, configEntries: [{ name: "retention.ms", value: "3600000" }] };
  await withAdmin(async (client) => {
    const listed = async () => (await client.listTopics()).includes(to);
    const partitions = async () =>
      (await client.fetchTopicMetadata({ topics: [to] })).topics[0].partitions.length;
    check(await client.createTopics({ topics: [wanted] }), "the topic was not created");
    await waitUntil("the new topic is listed", listed);
    equal(await partitions(), 3, "partitions");
    // Resource type 2 is a topic.
    const described = await client.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: to }] });
    const retention = described.resources[0].configEntries.find((entry) => entry.configName === "retention.ms");
    equal(retention.configValue, "3600000", "retention.ms");
    check(!(await client.createTopics({ topics: [wanted] })), "a topic was created twice");
    await client.createPartitions({ topicPartitions: [{ topic: to, count: 5 }] });
    await waitUntil("there are five partitions", async () => (await partitions()) === 5);
    const sender = await producer();
    await sender.send({ topic: to, messages: [{ partition: 4, value: "in the new one" }] });
    equal(values(await read(to, 1), 4), ["in the new one"], "values in the new partition");
    const cluster = await client.describeCluster();
    check(cluster.clusterId && cluster.brokers.length === 1, "the cluster is described wrongly");
    await client.deleteTopics({ topics: [to] });
    await waitUntil("the deleted topic is gone", async () => !(await listed()));
  });
}

// --- groups

async function groupResume() {
  const to = await topic("resume");
  const group = name("group");
  await sendNumbers(await producer(), to, 1, 1_000, { chunk: 100 });
  const seen = [];
  for (const until of [400, 1_000]) {
    let reader;
    let stopped = false;
    reader = await Reader.start(to, group, async (partition, messages, { heartbeat }) => {
      // The library hands over before `start` has returned.
      await waitUntil("the reader is there", async () => (await heartbeat(), reader !== undefined));
      if (stopped) {
        return;
      }
      seen.push(...messages.map((message) => text(message.value)));
      await commit(reader, to, partition, messages);
      stopped = seen.length >= until;
    }, SMALL_FETCHES);
    await waitUntil(`${until} records are read`, () => stopped);
    await reader.stop();
    const [committed] = await withAdmin((client) => client.fetchOffsets({ groupId: group, topics: [to] }));
    equal(committed.partitions[0].offset, String(seen.length), "the committed offset");
  }
  equal(seen, numbers(1_000, 1, 0), "both consumers' records together");
}

/** A group member that remembers what it saw. */
class Member {
  static async join(to, group) {
    const member = new Member();
    member.seen = new Set();
    member.reader = await Reader.start(to, group, async (partition, messages) => {
      messages.forEach((message) => member.seen.add(text(message.value)));
      if (member.reader) {
        // A rebalance may be under way: then nothing is committed, and nothing is lost by that.
        await commit(member.reader, to, partition, messages).catch((e) => console.log("not committed:", e.message));
      }
    });
    return member;
  }

  has(partitions) {
    return this.reader.assigned?.length === partitions;
  }
}

/** Produces a numbered record every few milliseconds until it is stopped. */
class Stream {
  static async start(to, partitions) {
    const stream = new Stream();
    stream.sent = [];
    stream.stopping = false;
    const sender = await producer();
    stream.ended = (async () => {
      while (!stream.stopping) {
        const messages = [{ partition: stream.sent.length % partitions, value: String(stream.sent.length) }];
        await sender.send({ topic: to, messages });
        stream.sent.push(messages[0].value);
        await pause(3);
      }
    })();
    return stream;
  }

  async stop() {
    this.stopping = true;
    await this.ended;
    return this.sent;
  }
}

async function waitUntilAllAreSeen(sent, ...seen) {
  await waitUntil("all records are read", () => sent.every((value) => seen.some((set) => set.has(value))));
}

async function rebalance() {
  const to = await topic("rebalance", 4);
  const group = name("group");
  const stream = await Stream.start(to, 4);
  const first = await Member.join(to, group);
  await waitUntil("the first member has all partitions", () => first.has(4));
  const second = await Member.join(to, group);
  await waitUntil("the members share the partitions", () => first.has(2) && second.has(2));
  const marks = [first.seen.size, second.seen.size];
  await waitUntil("both members read", () => first.seen.size > marks[0] && second.seen.size > marks[1]);
  await second.reader.stop();
  await waitUntil("the first member has all partitions back", () => first.has(4));
  await waitUntilAllAreSeen(await stream.stop(), first.seen, second.seen);
  await first.reader.stop();
}

async function memberDies() {
  const to = await topic("dies", 4);
  const group = name("group");
  const stream = await Stream.start(to, 4);
  const first = await Member.join(to, group);
  await waitUntil("the first member has all partitions", () => first.has(4));
  const elsewhere = new Set();
  const second = fork(__filename, ["member", group, to], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  second.on("message", (values) => values.forEach((value) => elsewhere.add(value)));
  await waitUntil("the second member reads", () => elsewhere.size > 0);
  const gone = new Promise((resolve) => second.once("close", resolve));
  second.kill("SIGKILL");
  await gone;
  await waitUntil("the first member took over", () => first.has(4));
  await waitUntilAllAreSeen(await stream.stop(), first.seen, elsewhere);
  await first.reader.stop();
}

/** Says each record before it commits it, until it is killed. */
async function member(group, to) {
  let reader;
  reader = await Reader.start(to, group, async (partition, messages) => {
    await new Promise((resolve) => process.send(messages.map((message) => text(message.value)), resolve));
    if (reader) {
      await commit(reader, to, partition, messages);
    }
  });
  await new Promise(() => {});
}

// --- crashes of the broker

/** Sends numbers before, during and after a crash, over two partitions in turn. Gives the topic and the count. */
async function produceOverACrash(options, requests) {
  const to = await topic("crash", 2);
  const sender = await producer(options);
  let sent = 0;
  const send = async (count) => {
    await sendNumbers(sender, to, 2, count, { from: sent, chunk: 20, acks: -1, ...requests });
    sent += count;
  };
  await send(2_000);
  let over = false;
  const crash = killBroker().then(() => (over = true));
  while (!over) {
    await send(20);
  }
  await crash;
  await send(1_000);
  return [to, sent];
}

async function restartIdempotent() {
  const [to, sent] = await produceOverACrash({ idempotent: true, maxInFlightRequests: 1 });
  const records = await read(to, sent);
  for (let p = 0; p < 2; p++) {
    equal(values(records, p), numbers(sent, 2, p), `partition ${p}`);
  }
}

async function restartPlain() {
  const [to, sent] = await produceOverACrash({ maxInFlightRequests: 1 });
  const missing = new Set(numbers(sent, 1, 0));
  const reader = await Reader.start(to, name("reader"), async (_, messages) => {
    messages.forEach((message) => missing.delete(text(message.value)));
  });
  await waitUntil("all records are read", () => missing.size === 0);
  await reader.stop();
}

async function restartConsume() {
  const to = await topic("crash", 2);
  const group = name("group");
  await sendNumbers(await producer(), to, 2, 4_000, { chunk: 40 });
  const seen = new Set();
  const next = [0, 0];
  let reader;
  let crash;
  reader = await Reader.start(
    to,
    group,
    async (partition, messages, { heartbeat }) => {
      await waitUntil("the reader is there", () => reader !== undefined);
      if (seen.size >= 1_500 && !crash) {
        crash = killBroker();
      }
      messages.forEach((message) => seen.add(text(message.value)));
      // A commit that the crash prevents comes again with its batch, once the member has joined anew.
      await commit(reader, to, partition, messages).then(
        () => (next[partition] = Number(messages[messages.length - 1].offset) + 1),
        (error) => console.log("not committed:", error.message),
      );
      await heartbeat();
    },
    SMALL_FETCHES,
  );
  await waitUntil("all records are read over the crash", () => seen.size === 4_000 && next.every((n) => n === 2_000));
  await crash;
  check(crash, "the broker was never killed");
  await reader.stop();
  const [committed] = await withAdmin((client) => client.fetchOffsets({ groupId: group, topics: [to] }));
  equal(committed.partitions.map((partition) => partition.offset), ["2000", "2000"], "the committed offsets");
}

const stories = {
  "large-record": largeRecord,
  "many-small": manySmall,
  "acks-0": () => acknowledged(0),
  "acks-1": () => acknowledged(1),
  "acks-all": () => acknowledged(-1),
  idempotent,
  "offsets-for-times": offsetsForTimes,
  seek,
  "auto-create": autoCreate,
  admin,
  "group-resume": groupResume,
  rebalance,
  "member-dies": memberDies,
  "restart-idempotent": restartIdempotent,
  "restart-plain": restartPlain,
  "restart-consume": restartConsume,
  // Not a story: the member that member-dies kills.
  member,
};
for (const codec of Object.keys(CODECS)) {
  stories[`roundtrip-${codec}`] = () => roundtrip(codec);
}

const [, , story, ...args] = process.argv;
stories[story](...args).then(
  () => process.exit(0),
  (error) => {
    console.log(error.stack);
    process.exit(1);
  },
);
