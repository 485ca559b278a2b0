// Go's net/http, as docs/clients.md shows it, driven by ../programs.py.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// [shown: go]
// One client for all calls keeps their connections. By itself it stops after ten redirects.
var client = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
}

// The time-out is that of the whole chain, to the end of the body.
func copyItem(url, token, name string, patience time.Duration) (int, []byte, error) {
	within, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	body, _ := json.Marshal(map[string]string{"name": name})
	request, err := http.NewRequestWithContext(within, "POST", url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	item, err := io.ReadAll(answer.Body)
	return answer.StatusCode, item, err
}

// [/shown]

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		word := strings.Split(lines.Text(), "\t")
		seconds, _ := strconv.ParseFloat(word[5], 64)
		told := map[string]any{"client": word[0], "case": word[1]}
		status, item, err := copyItem(word[2], word[3], word[4], time.Duration(seconds*float64(time.Second)))
		if err != nil {
			told["error"] = err.Error()
		} else {
			told["status"], told["body"] = status, json.RawMessage(item)
		}
		line, _ := json.Marshal(told)
		fmt.Println(string(line))
	}
}
