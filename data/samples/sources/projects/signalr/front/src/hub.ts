import { HubConnectionBuilder } from '@microsoft/signalr';

export const hub = new HubConnectionBuilder().withUrl('/hubs/orders').withAutomaticReconnect().build();
