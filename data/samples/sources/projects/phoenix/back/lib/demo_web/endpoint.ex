defmodule DemoWeb.Endpoint do
  use Phoenix.Endpoint, otp_app: :demo

  socket "/socket", DemoWeb.UserSocket,
    websocket: true,
    longpoll: false
end
