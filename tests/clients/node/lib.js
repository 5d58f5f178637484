// kafkajs as the stories want it, with the codecs that it leaves to others.
"use strict";

const kafkajs = require("kafkajs");
const lz4 = require("lz4-napi");
const snappy = require("kafkajs-snappy");
const zstd = require("@bokuweb/zstd-wasm");
const { bootstrap, name, waitUntil } = require("./harness.js");

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs;

CompressionCodecs[CompressionTypes.Snappy] = snappy;
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: (buffer) => lz4.decompressFrame(buffer),
});
// To be initialised once: a second time breaks the first.
const ready = zstd.init();
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => (await ready, Buffer.from(zstd.compress(encoder.buffer, 3))),
  decompress: async (buffer) => (await ready, Buffer.from(zstd.decompress(buffer))),
});

const settings = {
  brokers: [bootstrap],
  logLevel: logLevel.ERROR,
  retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 200 },
};
const kafka = new Kafka(settings);

async function producer(options = {}, client = kafka) {
  const made = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner, ...options });
  await made.connect();
  return made;
}

async function withAdmin(work) {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Makes a topic of this case's own. */
async function topic(part, numPartitions = 1) {
  const made = name(part);
  await withAdmin((admin) => admin.createTopics({ waitForLeaders: true, topics: [{ topic: made, numPartitions }] }));
  return made;
}

/** A producer of a client that the broker knows by this name. */
function producerOf(clientId) {
  return producer({}, new Kafka({ ...settings, clientId }));
}

/** A consumer that hands each batch to `onBatch(partition, messages, tools)`. */
class Reader {
  static async start(topic, group, onBatch, options = {}) {
    const reader = new Reader();
    reader.assigned = null;
    reader.generations = 0;
    reader.consumer = kafka.consumer({
      groupId: group,
      sessionTimeout: 6_000,
      heartbeatInterval: 500,
      maxWaitTimeInMs: 200,
      maxBytesPerPartition: 8 << 20,
      ...options,
    });
    reader.consumer.on(reader.consumer.events.GROUP_JOIN, (event) => {
      reader.generations += 1;
      reader.assigned = event.payload.memberAssignment[topic] ?? [];
    });
    await reader.consumer.connect();
    await reader.consumer.subscribe({ topics: [topic], fromBeginning: true });
    await reader.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: true,
      eachBatch: async (tools) => {
        await onBatch(tools.batch.partition, tools.batch.messages, tools);
        await tools.heartbeat();
      },
    });
    return reader;
  }

  async stop() {
    await this.consumer.disconnect();
  }
}

/** Commits what a batch's last message makes the next offset to read. */
async function commit(reader, topic, partition, messages) {
  const offset = String(BigInt(messages[messages.length - 1].offset) + 1n);
  await reader.consumer.commitOffsets([{ topic, partition, offset }]);
}

/** Reads this many records from the start, as { partition, ...message }, in the order of each partition. */
async function read(topic, count) {
  const records = [];
  const reader = await Reader.start(topic, name("reader"), async (partition, messages) => {
    records.push(...messages.map((message) => ({ partition, ...message })));
  });
  await waitUntil(`${count} records are read from ${topic}`, () => records.length >= count);
  await reader.stop();
  return records;
}

module.exports = { CompressionTypes, Reader, commit, producer, producerOf, read, topic, withAdmin };
