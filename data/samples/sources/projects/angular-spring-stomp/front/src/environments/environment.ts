export const environment = { production: false, broker: 'ws://localhost:8080/app/stomp' };
