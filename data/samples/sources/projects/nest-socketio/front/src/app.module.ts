import { SocketIoConfig, SocketIoModule } from 'ngx-socket-io';

const config: SocketIoConfig = { url: 'https://app.example', options: { transports: ['websocket'] } };

@NgModule({ imports: [SocketIoModule.forRoot(config)] })
export class AppModule {}
