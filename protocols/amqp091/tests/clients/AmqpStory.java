import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.GetResponse;
import java.io.IOException;
import java.math.BigDecimal;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;

/** Tells the story of tests/wire/README.md with RabbitMQ's Java client: `java AmqpStory PORT`. */
public final class AmqpStory {
    private static final BasicProperties EVERYTHING = everything();

    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost("127.0.0.1");
        factory.setPort(Integer.parseInt(arguments[0]));
        factory.setAutomaticRecoveryEnabled(false);
        Connection connection = factory.newConnection("a story");
        Channel channel = connection.createChannel();
        String name = topology(channel);
        channel.basicQos(10);
        channel.confirmSelect();
        publish(channel);
        consume(channel);
        Channel transactions = connection.createChannel();
        transactions.txSelect();
        transactions.basicPublish("", name, null, "in a transaction".getBytes());
        transactions.txCommit();
        transactions.txRollback();
        transactions.close();
        channel.exchangeDelete("orders", true);
        channel.close();
        connection.close();
    }

    private static BasicProperties everything() {
        Map<String, Object> headers = new TreeMap<>();
        headers.put("true", true);
        headers.put("byte", (byte) -1);
        headers.put("short", (short) -2);
        headers.put("int", -3);
        headers.put("long", -4L);
        headers.put("float", 1.5f);
        headers.put("double", 2.5);
        headers.put("text", "grün");
        headers.put("bytes", new byte[] {0, -1});
        headers.put("decimal", new BigDecimal("3.14"));
        headers.put("time", new Date(1_700_000_000_000L));
        headers.put("none", null);
        headers.put("list", Arrays.asList(1, List.of(2, List.of(3))));
        headers.put("table", Map.of("in", Map.of("in", "in")));
        return new BasicProperties.Builder()
                .contentType("application/json")
                .contentEncoding("utf-8")
                .headers(headers)
                .deliveryMode(2)
                .priority(9)
                .correlationId("c-1")
                .replyTo("amq.rabbitmq.reply-to")
                .expiration("60000")
                .messageId("m-1")
                .timestamp(new Date(1_700_000_000_000L))
                .type("order")
                .userId("guest")
                .appId("story")
                .clusterId("none")
                .build();
    }

    private static String topology(Channel channel) throws IOException {
        channel.exchangeDeclare("orders", BuiltinExchangeType.TOPIC, true, false, Map.of("alternate-exchange", "rest"));
        channel.exchangeDeclare("rest", BuiltinExchangeType.FANOUT, false, true, true, null);
        channel.exchangeBind("rest", "orders", "a.*", Map.of("x-match", "any"));
        channel.exchangeUnbind("rest", "orders", "a.*");
        channel.queueDeclarePassive("stock");
        String name = channel.queueDeclare().getQueue();
        Map<String, Object> queue = new HashMap<>();
        queue.put("x-queue-type", "quorum");
        queue.put("x-message-ttl", 60_000);
        queue.put("x-max-length", 1_000_000_000_000L);
        queue.put("x-single-active-consumer", true);
        queue.put("x-dead-letter-exchange", "dead");
        channel.queueDeclare("orders", true, false, false, queue);
        channel.queueBind("orders", "orders", "a.#", Map.of("x-match", "all"));
        channel.queueUnbind("orders", "orders", "b.#");
        channel.queuePurge("stock");
        channel.queueDelete("stock", true, true);
        return name;
    }

    private static void publish(Channel channel) throws Exception {
        CountDownLatch returned = new CountDownLatch(1);
        channel.addReturnListener(message -> returned.countDown());
        byte[] large = new byte[9_000];
        Arrays.fill(large, (byte) 'x');
        channel.basicPublish("orders", "a.b", EVERYTHING, new byte[0]);
        channel.basicPublish("orders", "a.b", null, large);
        channel.basicPublish("", "nowhere", true, null, "back".getBytes());
        channel.basicPublish("", "orders", EVERYTHING, "the body".getBytes());
        channel.waitForConfirmsOrDie(10_000);
        returned.await();
    }

    private static void consume(Channel channel) throws Exception {
        GetResponse got = channel.basicGet("orders", false);
        check(got.getProps().getHeaders().get("text").toString().equals("grün"), "other headers");
        check(new String(got.getBody()).equals("the body"), "another body");
        channel.basicAck(got.getEnvelope().getDeliveryTag(), false);
        check(channel.basicGet("empty", true) == null, "it is not empty");
        CountDownLatch third = new CountDownLatch(3);
        Map<String, Object> arguments = Collections.singletonMap("x-priority", 5);
        String tag = channel.basicConsume("orders", false, "", false, true, arguments, new DefaultConsumer(channel) {
            @Override
            public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] body)
                    throws IOException {
                long delivery = envelope.getDeliveryTag();
                switch ((int) third.getCount()) {
                    case 3 -> channel.basicAck(delivery, false);
                    case 2 -> channel.basicNack(delivery, true, false);
                    default -> channel.basicReject(delivery, true);
                }
                third.countDown();
            }
        });
        third.await();
        channel.basicCancel(tag);
        channel.basicRecover(true);
    }

    private static void check(boolean is, String what) {
        if (!is) {
            throw new IllegalStateException(what);
        }
    }
}
