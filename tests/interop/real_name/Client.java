// A Java client that knows nothing but the name: java Client.java HOST
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.time.Duration;
import java.util.concurrent.CompletionException;

public class Client {
    public static void main(String[] arguments) throws Exception {
        String host = arguments[0];
        int status = 0;
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(10)).build();
        try {
            HttpRequest preflight = HttpRequest.newBuilder(URI.create("https://" + host + "/call_report"))
                    .method("OPTIONS", HttpRequest.BodyPublishers.noBody()).build();
            status = client.send(preflight, HttpResponse.BodyHandlers.discarding()).statusCode();
            WebSocket socket = client.newWebSocketBuilder().buildAsync(URI.create("wss://" + host + "/"), new WebSocket.Listener() {}).join();
            socket.abort();
            System.out.println("{\"preflight\": " + status + ", \"upgrade\": 101}");
        } catch (javax.net.ssl.SSLException | CompletionException refused) {
            System.out.println("{\"preflight\": " + status + ", \"refused\": \"" + refused.getClass().getSimpleName() + "\"}");
        }
    }
}
