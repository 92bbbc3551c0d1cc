// A virtual network: the app goes out through one subnet, and storage, key vault, topic and hub have endpoints in another.
// The app itself stays on the internet, because Video Indexer calls it from there; and Video Indexer and Azure Resource
// Manager are reached over the internet too. Not private either: App Insights (see monitoring.bicep). The subscription has to
// be registered for Microsoft.App (`az provider register --namespace Microsoft.App`), to which the app's subnet is delegated.
param name string
param location string
param tags object

@description('Range of the app\'s subnet, /27 or larger; like the other, one that does not collide with what the network is peered with.')
param appSubnetPrefix string

@description('Range of the subnet of the private endpoints.')
param endpointsSubnetPrefix string
param hostStorageName string
param insightsStorageName string
param keyVaultName string

@description('Empty: there is no topic.')
param topicName string

@description('Empty: the account\'s log is not read.')
param eventHubNamespaceName string

var blobZone = 'privatelink.blob.${environment().suffixes.storage}'
var queueZone = 'privatelink.queue.${environment().suffixes.storage}'
var tableZone = 'privatelink.table.${environment().suffixes.storage}'
var vaultZone = 'privatelink.vaultcore.azure.net'
var topicZone = 'privatelink.eventgrid.azure.net'
var hubZone = 'privatelink.servicebus.windows.net'

var always = [
  {
    name: 'host-blob'
    targetId: resourceId('Microsoft.Storage/storageAccounts', hostStorageName)
    groupId: 'blob'
    zone: blobZone
  }
  {
    name: 'host-queue'
    targetId: resourceId('Microsoft.Storage/storageAccounts', hostStorageName)
    groupId: 'queue'
    zone: queueZone
  }
  {
    name: 'host-table'
    targetId: resourceId('Microsoft.Storage/storageAccounts', hostStorageName)
    groupId: 'table'
    zone: tableZone
  }
  {
    name: 'insights-blob'
    targetId: resourceId('Microsoft.Storage/storageAccounts', insightsStorageName)
    groupId: 'blob'
    zone: blobZone
  }
  {
    name: 'insights-queue'
    targetId: resourceId('Microsoft.Storage/storageAccounts', insightsStorageName)
    groupId: 'queue'
    zone: queueZone
  }
  {
    name: 'key-vault'
    targetId: resourceId('Microsoft.KeyVault/vaults', keyVaultName)
    groupId: 'vault'
    zone: vaultZone
  }
]
var forTopic = empty(topicName) ? [] : [
  {
    name: 'event-grid'
    targetId: resourceId('Microsoft.EventGrid/topics', topicName)
    groupId: 'topic'
    zone: topicZone
  }
]
var forHub = empty(eventHubNamespaceName) ? [] : [
  {
    name: 'event-hub'
    targetId: resourceId('Microsoft.EventHub/namespaces', eventHubNamespaceName)
    groupId: 'namespace'
    zone: hubZone
  }
]
var endpoints = concat(always, forTopic, forHub)
var zones = concat([
  blobZone
  queueZone
  tableZone
  vaultZone
], empty(topicName) ? [] : [topicZone], empty(eventHubNamespaceName) ? [] : [hubZone])

// No rules of its own: Azure's default ones let the subnets talk and keep the internet out.
resource securityGroup 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: '${name}-nsg'
  location: location
  tags: tags
  properties: {
    securityRules: []
  }
}

// Subnets inside it and not as resources of their own: those a deployment would take away and make anew.
resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        appSubnetPrefix
        endpointsSubnetPrefix
      ]
    }
    subnets: [
      {
        // For the app alone; Flex asks for this delegation, and for a /27 or larger.
        name: 'app'
        properties: {
          addressPrefix: appSubnetPrefix
          networkSecurityGroup: {
            id: securityGroup.id
          }
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: endpointsSubnetPrefix
          networkSecurityGroup: {
            id: securityGroup.id
          }
        }
      }
    ]
  }
}

resource privateZones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in zones: {
  name: zone
  location: 'global'
  tags: tags
}]

resource zoneLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zone, i) in zones: {
  parent: privateZones[i]
  name: name
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: network.id
    }
  }
}]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2024-05-01' = [for endpoint in endpoints: {
  name: 'pe-${endpoint.name}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: '${network.id}/subnets/endpoints'
    }
    privateLinkServiceConnections: [
      {
        name: endpoint.name
        properties: {
          privateLinkServiceId: endpoint.targetId
          groupIds: [
            endpoint.groupId
          ]
        }
      }
    ]
  }
}]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [for (endpoint, i) in endpoints: {
  parent: privateEndpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: endpoint.groupId
        properties: {
          privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', endpoint.zone)
        }
      }
    ]
  }
  dependsOn: [
    privateZones
  ]
}]
