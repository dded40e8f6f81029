import { Injectable } from '@angular/core';
import { RxStomp } from '@stomp/rx-stomp';
import { environment } from '../environments/environment';

@Injectable({ providedIn: 'root' })
export class BrokerService extends RxStomp {
  constructor() {
    super();
    this.configure({ brokerURL: environment.broker, heartbeatOutgoing: 20000 });
    this.activate();
  }
}
