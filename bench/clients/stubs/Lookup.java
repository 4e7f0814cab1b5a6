// The same with Java's two resolvers: InetAddress, which is the C library's getaddrinfo(), and with
// "jndi" before the names the DNS provider of JNDI, which is Java's own.
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Hashtable;
import java.util.List;
import java.util.Locale;
import javax.naming.directory.Attribute;
import javax.naming.directory.InitialDirContext;

public class Lookup {
  interface Lookups {
    List<String> ask(String name) throws Exception;
  }

  static List<String> byLibrary(String name) throws Exception {
    List<String> found = new ArrayList<>();
    for (InetAddress each : InetAddress.getAllByName(name)) found.add(each.getHostAddress());
    return found;
  }

  static Lookups byJndi() throws Exception {
    StringBuilder servers = new StringBuilder();
    for (String line : Files.readAllLines(Path.of("/etc/resolv.conf"))) {
      String[] words = line.trim().split("\\s+");
      if (words.length == 2 && words[0].equals("nameserver")) {
        servers.append(servers.length() == 0 ? "" : " ").append("dns://").append(words[1]);
      }
    }
    Hashtable<String, String> settings = new Hashtable<>();
    settings.put("java.naming.factory.initial", "com.sun.jndi.dns.DnsContextFactory");
    settings.put("java.naming.provider.url", servers.toString());
    InitialDirContext context = new InitialDirContext(settings);
    return name -> {
      List<String> found = new ArrayList<>();
      for (String type : new String[] {"A", "AAAA"}) {
        try {
          Attribute records = context.getAttributes(name, new String[] {type}).get(type);
          for (int i = 0; records != null && i < records.size(); ++i) {
            found.add(records.get(i).toString());
          }
        } catch (Exception e) {
          if (type.equals("A")) throw e;
        }
      }
      return found;
    };
  }

  public static void main(String[] args) throws Exception {
    boolean jndi = args.length > 0 && args[0].equals("jndi");
    Lookups lookups = jndi ? byJndi() : Lookup::byLibrary;
    for (int i = jndi ? 1 : 0; i < args.length; ++i) {
      List<String> found = new ArrayList<>();
      String state = "ok";
      long begin = System.nanoTime();
      try {
        found = lookups.ask(args[i]);
      } catch (Exception e) {
        state = String.valueOf(e.getMessage()).replace('\t', ' ').replace('\n', ' ');
      }
      double ms = (System.nanoTime() - begin) / 1e6;
      System.out.println(String.format(Locale.ROOT, "%s\t%s\t%s\t%.3f", args[i], state,
          String.join(" ", found), ms));
    }
  }
}
