// Java's two clients, as docs/clients.md shows them, driven by ../programs.py.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

class InJava {
    // [shown: java]
    // By itself it follows no redirects. One client for all calls keeps their connections.
    static final HttpClient HTTP = HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NORMAL).build();

    static HttpResponse<String> copy(HttpClient http, String url, String token, String name, Duration patience)
            throws IOException, InterruptedException {
        var call = HttpRequest.newBuilder(URI.create(url))
            .header("Authorization", "Bearer " + token)
            .header("Content-Type", "application/json")
            .timeout(patience) // of the whole chain
            .POST(HttpRequest.BodyPublishers.ofString("{\"name\": \"" + name + "\"}"))
            .build();
        return http.send(call, HttpResponse.BodyHandlers.ofString());
    }
    // [/shown]

    // [shown: java-urlconnection]
    static HttpURLConnection copy(String url, String token, String name, int patience) throws IOException {
        var call = (HttpURLConnection) new URL(url).openConnection();
        call.setRequestMethod("POST");
        call.setRequestProperty("Authorization", "Bearer " + token);
        call.setRequestProperty("Content-Type", "application/json");
        call.setConnectTimeout(10_000);
        call.setReadTimeout(patience); // milliseconds of silence, for each redirect anew
        call.setDoOutput(true); // without setFixedLengthStreamingMode, which allows no redirect
        try (var body = call.getOutputStream()) {
            body.write(("{\"name\": \"" + name + "\"}").getBytes(StandardCharsets.UTF_8));
        }
        return call;
    }

    static String answer(HttpURLConnection call) throws IOException {
        var good = call.getResponseCode() < 400; // this waits
        try (var body = good ? call.getInputStream() : call.getErrorStream()) {
            return new String(body.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
    // [/shown]

    public static void main(String[] none) throws IOException, InterruptedException {
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (var line = lines.readLine(); line != null; line = lines.readLine()) {
            var word = line.split("\t");
            var told = String.format("{\"client\": \"%s\", \"case\": \"%s\", ", word[0], word[1]);
            try {
                told += made(word[0], word[2], word[3], word[4], Math.round(1000 * Double.parseDouble(word[5])));
            } catch (IOException error) {
                told += String.format("\"error\": \"%s\"}", error.getClass().getSimpleName());
            }
            System.out.println(told);
        }
    }

    static String made(String client, String url, String token, String name, long patience)
            throws IOException, InterruptedException {
        if (client.equals("java-urlconnection")) {
            var call = copy(url, token, name, (int) patience);
            return told(call.getResponseCode(), answer(call));
        }
        var http = client.equals("java") ? HTTP : HttpClient.newHttpClient();
        var answer = copy(http, url, token, name, Duration.ofMillis(patience));
        return told(answer.statusCode(), answer.body());
    }

    static String told(int status, String body) {
        return String.format("\"status\": %d, \"body\": %s}", status, body.isEmpty() ? "null" : body);
    }
}
