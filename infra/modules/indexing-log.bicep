// THE ONE EXCEPTION to "no keys". Azure Monitor writes to an Event Hub with a shared access rule of the namespace and
// has no other way: its diagnostic settings know no identity. So this namespace serves nothing else, its rule is
// used by Azure Monitor alone, no code reads a key of it, and Keywire reads the hub as itself (Entra). Off by default.
param namespaceName string
param eventHubName string
param location string
param tags object
param isolated bool

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' = {
  name: namespaceName
  location: location
  tags: tags
  // Basic keeps a day and has one consumer group: enough for a signal that reconciliation makes up for. It has no
  // private endpoints.
  sku: {
    name: isolated ? 'Standard' : 'Basic'
    tier: isolated ? 'Standard' : 'Basic'
    capacity: 1
  }
  properties: {
    // The exception: true would let the setting be made, and lose every record.
    disableLocalAuth: false
    minimumTlsVersion: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

resource hub 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' = {
  parent: namespace
  name: eventHubName
  properties: {
    messageRetentionInDays: 1
    partitionCount: 2
  }
}

// Of the namespace: rules of a hub are refused. All three rights are what the documentation asks for; that Send alone
// is enough where the hub is named is not verified.
resource rule 'Microsoft.EventHub/namespaces/authorizationRules@2024-01-01' = {
  parent: namespace
  name: 'azure-monitor'
  properties: {
    rights: [
      'Listen'
      'Manage'
      'Send'
    ]
  }
}

// Azure Monitor gets through as a trusted service, Keywire by its private endpoint.
resource rules 'Microsoft.EventHub/namespaces/networkRuleSets@2024-01-01' = if (isolated) {
  parent: namespace
  name: 'default'
  properties: {
    defaultAction: 'Deny'
    trustedServiceAccessEnabled: true
  }
}
