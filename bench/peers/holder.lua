-- Holds copies in nginx by cosockets: keep-alive connections from a pool, ngx.sleep between the polls.
-- Not by ngx.location.capture, whose memory comes from the waiting request's pool and stays until that ends.

local UPSTREAM, INTERVAL = tonumber(ngx.var.upstream_port), 1.0

local function exchange(port, request, tls)
  local sock = ngx.socket.tcp()
  sock:settimeout(30000)
  local ok, err = sock:connect("127.0.0.1", port)
  if not ok then return nil, err end
  if tls and sock:getreusedtimes() == 0 then
    ok, err = sock:sslhandshake(nil, nil, true)
    if not ok then return nil, err end
  end
  ok, err = sock:send(request)
  if not ok then return nil, err end
  local line = sock:receive("*l")
  if not line then return nil, "no answer" end
  local status = tonumber(line:sub(10, 12))
  local location, length, kind
  while true do
    line = sock:receive("*l")
    if not line then return nil, "cut off" end
    if line == "" then break end
    local name, value = line:match("^([^:]+):%s*(.*)$")
    name = name:lower()
    if name == "location" then location = value
    elseif name == "content-length" then length = tonumber(value)
    elseif name == "content-type" then kind = value end
  end
  local body = ""
  if length and length > 0 then
    body = sock:receive(length)
    if not body then return nil, "cut off" end
  end
  sock:setkeepalive(60000, 512)
  return status, body, location, kind
end

local function failed(why)
  ngx.log(ngx.ERR, why)
  return ngx.exit(502)
end

ngx.req.read_body()
local body = ngx.req.get_body_data() or ""
local token = ngx.var.http_authorization
local status, answer, monitor = exchange(UPSTREAM, table.concat({
  "POST ", ngx.var.request_uri, " HTTP/1.1\r\nHost: 127.0.0.1:", UPSTREAM, "\r\nAuthorization: ", token,
  "\r\nContent-Type: ", ngx.var.content_type, "\r\nContent-Length: ", #body, "\r\n\r\n", body,
}))
body = nil
if status ~= 202 then return failed(status or answer) end

local scheme, host, path = monitor:match("^(https?)://([^/]+)(/.*)$")
local port = tonumber(host:match(":(%d+)$"))
local poll = "GET " .. path .. " HTTP/1.1\r\nHost: " .. host .. "\r\n\r\n"
local resource
repeat
  ngx.sleep(INTERVAL)
  status, answer = exchange(port, poll, scheme == "https")
  if not status then return failed(answer) end
  if answer:find('"status":"completed"', 1, true) then
    resource = answer:match('"resourceId":"([^"]+)"')
  end
until resource

local kind, _
status, answer, _, kind = exchange(UPSTREAM, table.concat({
  "GET /v1.0/me/drive/items/", resource, " HTTP/1.1\r\nHost: 127.0.0.1:", UPSTREAM, "\r\nAuthorization: ", token, "\r\n\r\n",
}))
if not status then return failed(answer) end
ngx.status = status
ngx.header["Content-Type"] = kind
ngx.header["Content-Length"] = #answer
ngx.print(answer)
