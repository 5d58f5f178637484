/** A member in a process of its own, which another story kills. */
public final class AssignedVictim {
    private AssignedVictim() {}

    public static void main(String[] args) throws Exception {
        Attendant member = new Attendant("victim", args[0], new Attendant.Owners(), Attendant.topics(args[1]));
        while (member.failure() == null) {
            Thread.sleep(100);
        }
        member.healthy();
    }
}
