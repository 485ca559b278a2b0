# curl, as docs/clients.md shows it, driven by ../programs.py.

# [shown: curl]
copy() { # URL, token, name, seconds (of the whole chain)
  curl -sSL --max-time "$4" --write-out '\n%{http_code}' "$1" \
       -H "Authorization: Bearer $2" -H 'Content-Type: application/json' -d "{\"name\": \"$3\"}"
}
# [/shown]

while IFS=$'\t' read -r client case url token name seconds; do
  if answer=$(copy "$url" "$token" "$name" "$seconds"); then
    printf '{"client": "%s", "case": "%s", "status": %s, "body": %s}\n' \
      "$client" "$case" "${answer##*$'\n'}" "${answer%$'\n'*}"
  else
    printf '{"client": "%s", "case": "%s", "error": "%s"}\n' "$client" "$case" "$?"
  fi
done
