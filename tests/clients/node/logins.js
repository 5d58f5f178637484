// The stories of tests/src/suites/logins.rs with kafkajs.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const kafkajs = require("kafkajs");
const { check, name, waitUntil, wish } = require("./harness.js");

const { Kafka, logLevel } = kafkajs;

const file = (part) => fs.readFileSync(path.join(process.env.WORK_DIR, part), "utf8");

function at(listener, ssl, sasl, retries = 200) {
  return new Kafka({
    brokers: [process.env[listener]],
    ssl,
    sasl,
    logLevel: logLevel.NOTHING,
    connectionTimeout: 5_000,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries },
  });
}

/** A client at the listener that is encrypted and asks who comes. */
const as = (mechanism, username, password, retries) =>
  at("TLS_SASL", { ca: [file("authority.pem")] }, { mechanism, username, password }, retries);

const encrypted = (authority, identity = {}, retries = 200) =>
  at("TLS", { ca: [file(`${authority}.pem`)], ...identity }, undefined, retries);

async function producer(kafka) {
  const made = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await made.connect();
  return made;
}

const send = (to, value) => to.send({ topic: name("t"), messages: [{ value }] });

/** A record there and back. */
async function works(kafka, value) {
  const to = await producer(kafka);
  await send(to, value);
  await to.disconnect();
  const consumer = kafka.consumer({ groupId: name(`reader of ${value}`), maxWaitTimeInMs: 200 });
  await consumer.connect();
  await consumer.subscribe({ topics: [name("t")], fromBeginning: true });
  let isRead = false;
  const eachMessage = async ({ message }) => {
    isRead ||= message.value.toString() === value;
  };
  await consumer.run({ eachMessage });
  await waitUntil(`${value} is read`, () => isRead);
  await consumer.disconnect();
}

/** Why a client is not served. */
async function failure(kafka, what) {
  const admin = kafka.admin();
  try {
    await admin.connect();
    await admin.listTopics();
  } catch (refused) {
    console.log(`${what}: ${refused.name}: ${refused.message}`);
    return refused;
  } finally {
    await admin.disconnect();
  }
  return check(false, `${what} is served`);
}

async function isWrong(mechanism, username, password, what) {
  const refused = await failure(as(mechanism, username, password, 0), what);
  const all = [refused, refused.cause, refused.originalError];
  const told = all.some((error) => error?.name === "KafkaJSSASLAuthenticationError");
  check(told, `${what} is refused with ${refused.name}: ${refused.message}`);
}

async function login() {
  await works(as("scram-sha-256", "alice", "a secret"), "alice");
  await works(as("scram-sha-512", "bob", "b secret"), "bob");
  await works(as("plain", "alice", "a secret"), "plain");
  await isWrong("scram-sha-256", "alice", "another", "a wrong password");
  await isWrong("scram-sha-512", "bob", "a secret", "the password of somebody else");
  await isWrong("plain", "alice", "another", "a wrong password in PLAIN");
  await isWrong("scram-sha-512", "carol", "a secret", "a user that does not exist");
  await isWrong("plain", "carol", "a secret", "the same in PLAIN");
}

async function crash() {
  const bob = await producer(as("scram-sha-512", "bob", "b secret"));
  await send(bob, "before");
  await wish("kill9");
  await send(bob, "behind");
  await bob.disconnect();
  await works(as("scram-sha-256", "alice", "a secret"), "alice");
  await works(as("plain", "alice", "a secret"), "plain");
  await isWrong("scram-sha-512", "bob", "another", "a wrong password");
}

async function certificate() {
  await failure(encrypted("authority", {}, 0), "a client without a certificate");
  await works(encrypted("authority", { cert: file("alice.pem"), key: file("alice.key") }), "certified");
}

async function renewed() {
  const before = await producer(encrypted("authority"));
  await send(before, "before");
  await wish("renew");
  await send(before, "behind");
  await failure(encrypted("authority", {}, 0), "a certificate that somebody else has signed");
  await works(encrypted("other"), "anew");
  await send(before, "still there");
  await before.disconnect();
}

const stories = { login, crash, certificate, renewed };

stories[process.argv[2]]().then(
  () => process.exit(0),
  (error) => {
    console.log(error.stack);
    process.exit(1);
  },
);
