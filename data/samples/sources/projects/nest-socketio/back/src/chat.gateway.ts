import { SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { Server } from 'socket.io';

@WebSocketGateway({ cors: { origin: 'https://app.example' } })
export class ChatGateway {
  @WebSocketServer() server: Server;

  @SubscribeMessage('message')
  handle(_: unknown, text: string) { this.server.emit('message', text); }
}
