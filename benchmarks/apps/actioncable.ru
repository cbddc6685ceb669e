# Action Cable itself, without a Rails application: puma actioncable.ru
require "logger"
require "active_support"
require "active_support/core_ext"
require "action_cable"
begin
  require "action_cable/engine"
rescue LoadError, NameError
  # only there with Rails
end

class BenchConnection < ActionCable::Connection::Base
end

class BenchChannel < ActionCable::Channel::Base
  def subscribed = stream_from("bench")
  def echo(data) = transmit(data)
  def broadcast(data) = ActionCable.server.broadcast("bench", data)
end

config = ActionCable::Server::Base.config
config.logger = Logger.new($stderr, level: Logger::WARN)
config.connection_class = -> { BenchConnection }
config.disable_request_forgery_protection = true
config.mount_path = "/cable"
config.cable = { "adapter" => "async" }
run ActionCable.server
