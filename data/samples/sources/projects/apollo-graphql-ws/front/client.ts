import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';

const url = () => `${location.origin.replace(/^http/, 'ws')}/graphql`;
export const link = new GraphQLWsLink(createClient({ url, retryAttempts: 50 }));
