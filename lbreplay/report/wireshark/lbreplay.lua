-- What lbreplay noted beside each frame of a pcapng, as fields, columns and filters: lbreplay.worker == 2,
-- lbreplay.verdict == "laddr_port_exhausted", lbreplay.received. Read from the comment, whose form lbreplay/annotate.py gives:
--
--     #17 worker 2 (flow director, port 1026 & 3 = 2) conn 5 out -> client: forwarded_fast, as received
--
-- lbreplay wireshark --install puts this file where Wireshark looks for plugins.

local lbreplay = Proto("lbreplay", "lbreplay, a simulated load balancer")

local field = {
  frame = ProtoField.uint32("lbreplay.frame", "Frame of the input", base.DEC),
  worker = ProtoField.uint32("lbreplay.worker", "Worker", base.DEC),
  queue = ProtoField.uint32("lbreplay.queue", "Queue", base.DEC),
  way = ProtoField.string("lbreplay.way", "Steered by"),
  hash = ProtoField.uint32("lbreplay.hash", "RSS hash", base.HEX),
  entry = ProtoField.uint32("lbreplay.entry", "Entry of the redirection table", base.DEC),
  conn = ProtoField.uint32("lbreplay.conn", "Connection", base.DEC),
  new = ProtoField.bool("lbreplay.new", "Opens the connection"),
  direction = ProtoField.string("lbreplay.direction", "Direction"),
  verdict = ProtoField.string("lbreplay.verdict", "Verdict"),
  received = ProtoField.bool("lbreplay.received", "As received"),
  own = ProtoField.bool("lbreplay.own", "The balancer's own packet"),
}
lbreplay.fields = { field.frame, field.worker, field.queue, field.way, field.hash, field.entry, field.conn, field.new, field.direction,
  field.verdict, field.received, field.own }

local comments, queues = Field.new("frame.comment"), Field.new("frame.interface_queue")

local function add(tree, which, value)
  if value ~= nil then tree:add(which, value):set_generated() end
end

local function verdict_of(text)
  return text:match(": ([%l%d_]+)$") or text:match("%) ([%l%d_]+)$") or text:match("not received ([%l%d_]+)$")
end

local function show(tree, text)
  local said, received = text:gsub(", as received$", "")
  local body = said:gsub("; another worker has its connection$", "")
  add(tree, field.frame, tonumber(said:match("^#(%d+)") or said:match("because of #(%d+)")))
  add(tree, field.worker, tonumber(said:match("worker (%d+)")))
  add(tree, field.queue, queues() and queues().value)
  add(tree, field.way, said:match("%((flow director)") or said:match("%((RSS)") or said:match("%((default queue)"))
  add(tree, field.hash, tonumber(said:match("RSS (0x%x+)")))
  add(tree, field.entry, tonumber(said:match("table entry (%d+)")))
  add(tree, field.conn, tonumber(said:match("conn (%d+)")))
  add(tree, field.new, said:match("new conn") and true or nil)
  add(tree, field.direction, said:match("(in %-> real server)") or said:match("(out %-> client)"))
  add(tree, field.verdict, verdict_of(body))
  add(tree, field.received, received > 0 or nil)
  add(tree, field.own, said:match("^worker") and true or nil)
end

function lbreplay.dissector(buffer, info, root)
  for _, comment in ipairs({ comments() }) do
    local text = tostring(comment.value)
    if text:match("^#%d+ ") or text:match("^worker %d+ b") then
      show(root:add(lbreplay, text):set_generated(), text)
    end
  end
end

register_postdissector(lbreplay)
