-- What wrk sends and tells: the calls of a Graph client, and figures that a program can read.
--   wrk … -s load.lua URL -- METHOD BODY_BYTES KEEP(1 or 0)
local calls, next_one = {}, 0

function init(args)
  wrk.method = args[1]
  wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")
  wrk.headers["User-Agent"] = "python-requests/2.32.3"
  wrk.headers["Accept"] = "application/json"
  wrk.headers["Accept-Encoding"] = "gzip, deflate"
  wrk.headers["Prefer"] = "odata.maxpagesize=50"
  local size = tonumber(args[2])
  if size > 0 then
    wrk.headers["Content-Type"] = "application/json"
    wrk.body = '{"name":"' .. string.rep("x", size - 11) .. '"}'
  end
  if args[3] == "0" then
    wrk.headers["Connection"] = "close"
  end
  for number = 1, 256 do -- made ahead, so that the load costs no more than with one call again and again
    wrk.headers["client-request-id"] = string.format("5f2d1c9e-6a0b-4d0e-9b1f-%012x", number)
    calls[number] = wrk.format(nil, (wrk.path:gsub("XYZAB", string.format("X%04d", number))))
  end
end

function request() -- each call has an id of its own and asks for another item
  next_one = next_one % #calls + 1
  return calls[next_one]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    "\nFIGURES %d %d %.1f %.1f %d %d %d %d %d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
