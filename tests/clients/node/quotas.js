// What kafkajs makes of a quota: it waits and loses nothing. It tells its application of no throttle time.
"use strict";

const { check, equal, name } = require("./harness.js");
const { producerOf, read, topic } = require("./lib.js");

// Ten seconds' worth may come at once, by the quota of tests/src/suites/quotas.rs; so much takes twice that time.
const TOTAL = 4_000_000;
const RECORD = 5_000;
const RECORDS_AT_ONCE = 10;
// What the quota alone must make it last, with room for the last request of all. However slow the machine is, it lasts no shorter.
const LEAST_MS = 5_000;

const value = (number) => `${number} `.padEnd(RECORD, "v");

async function publishes() {
  const to = await topic("held");
  const sender = await producerOf(name("kafkajs"));
  const begun = Date.now();
  for (let at = 0; at < TOTAL / RECORD; at += RECORDS_AT_ONCE) {
    const messages = Array.from({ length: RECORDS_AT_ONCE }, (_, i) => ({ partition: 0, value: value(at + i) }));
    await sender.send({ topic: to, messages });
  }
  const took = Date.now() - begun;
  await sender.disconnect();
  check(took >= LEAST_MS, `${TOTAL} bytes were published in ${took} ms`);
  const records = await read(to, TOTAL / RECORD);
  equal(records.length, TOTAL / RECORD, "records");
  records.forEach((record, number) => check(record.value.toString() === value(number), `record ${number} is another`));
}

publishes().then(
  () => process.exit(0),
  (error) => {
    console.log(error.stack);
    process.exit(1);
  },
);
